{% macro unfinished_fit() -%}
    {{ return(
        "select 1 from duckdb_tables() where database_name = current_database() and schema_name = 'fit' and table_name = 'unfinished'"
    ) }}
{%- endmacro %}
