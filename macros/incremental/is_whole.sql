{% macro is_whole(changed_partitions) -%}
    {{ return(
        not execute or load_relation(changed_partitions) is none
        or run_query('select bool_or(is_whole) from ' ~ changed_partitions).rows[0][0]
    ) }}
{%- endmacro %}
