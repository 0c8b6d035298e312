{#- The day may be null. -#}
{% macro same_partition(one, other) -%}
    {{ one }}.day is not distinct from {{ other }}.day and {{ one }}.bucket = {{ other }}.bucket
{%- endmacro %}
