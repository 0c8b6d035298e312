{% macro first_and_last_day(partitions) -%}
    {{ return(run_query(
        'select min(day)::varchar, max(day)::varchar, count(*) > count(day) from (' ~ partitions ~ ')'
    ).rows[0] | list) }}
{%- endmacro %}
