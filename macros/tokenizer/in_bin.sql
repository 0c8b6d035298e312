{#- For rows that are joined with their bins. Zero has bin 0, which this leaves out. -#}
{% macro in_bin(number, bins) -%}
    {{ bins }}.bin > 0
    and ({{ bins }}.lower_edge is null or {{ number }} > {{ bins }}.lower_edge)
    and ({{ bins }}.upper_edge is null or {{ number }} <= {{ bins }}.upper_edge)
{%- endmacro %}
