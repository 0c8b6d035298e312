{#- The state of each day when its tokens were counted; no rows before a first count, or if all must be counted again. -#}
{% macro counted_days(token_counts) -%}
    {%- if not token_counts or flags.FULL_REFRESH or (token_counts.schema and not has_column(token_counts, 'state')) -%}
    select null::date as day, null::ubigint as state where false
    {%- else -%}
    select day, any_value(state) as state from {{ token_counts }} group by day
    {%- endif -%}
{%- endmacro %}

{#- Before days are counted again: delete their present counts, also those of days that are gone. -#}
{% macro forget_counts(relation, days) -%}
    {%- if execute and is_incremental() -%}
    delete from {{ relation }} where day in (select changed.day from {{ days }} as changed)
    {%- endif -%}
{%- endmacro %}

{#- The first and last of the days to count, as text, so that a reader can skip row groups by their statistics. -#}
{% macro recounted_span(days) -%}
    {%- if not execute or load_relation(days) is none -%} {{ return([none, none]) }} {%- endif -%}
    {{ return(run_query('select min(day)::varchar, max(day)::varchar from ' ~ days).rows[0] | list) }}
{%- endmacro %}
