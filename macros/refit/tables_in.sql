{% macro tables_in(schemas) -%}
    {{ return(run_query(
        'select schema_name, table_name from duckdb_tables() where database_name = current_database() and schema_name in ('
        ~ (schemas | map('tojson') | join(', ')) | replace('"', "'") ~ ') order by all'
    ).rows | map('list') | list) }}
{%- endmacro %}
