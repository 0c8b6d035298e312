{% macro archives(table) -%}
    {{ return(run_query(
        "select schema_name from duckdb_tables() where database_name = current_database() and schema_name ^@ 'archive_'"
        ~ ' and table_name = ' ~ literal(table) ~ ' order by all'
    ).columns[0].values() | list) }}
{%- endmacro %}
