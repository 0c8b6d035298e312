{% macro has_column(relation, column) -%}
    {{ return(run_query(
        'select 1 from duckdb_columns() where database_name = current_database() and schema_name = '
        ~ literal(relation.schema) ~ ' and table_name = ' ~ literal(relation.identifier)
        ~ ' and column_name = ' ~ literal(column)
    ).rows | length > 0) }}
{%- endmacro %}
