{% macro counted_days(token_counts) -%}
    {%- if not token_counts or token_counts.schema and (flags.FULL_REFRESH or not has_column(token_counts, 'state')) -%}
    select null::date as day, null::ubigint as state where false
    {%- else -%}
    select day, any_value(state) as state from {{ token_counts }} group by day
    {%- endif -%}
{%- endmacro %}
