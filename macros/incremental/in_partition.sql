{% macro in_partition(event, partition) -%}
    {{ event_day(event ~ '.ts') }} is not distinct from {{ partition }}.day
    and {{ event_bucket(event ~ '.user_id') }} = {{ partition }}.bucket
{%- endmacro %}
