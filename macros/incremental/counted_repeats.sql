{% macro counted_repeats(event_partitions) -%}
    {%- if execute and not flags.FULL_REFRESH and load_relation(event_partitions) is not none
        and has_column(event_partitions, 'repeats') -%}
    {{ event_partitions }}
    {%- else -%}
    (select null::date as day, 0::ubigint as bucket, 0 as events, 0::ubigint as checksum, 0 as repeats where false)
    {%- endif -%}
{%- endmacro %}
