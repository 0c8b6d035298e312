{% macro drop_candidate() -%}
    drop schema if exists fit_next cascade;
    {%- set made = run_query(
        "select table_name, false as is_view from duckdb_tables() where database_name = current_database() and schema_name = 'tokens'"
        ~ " and table_name ^@ 'next_'"
        ~ " union all select view_name, true from duckdb_views() where database_name = current_database()"
        ~ " and schema_name = 'tokens' and view_name ^@ 'next_'"
    ).rows -%}
    {%- for name, is_view in made %}
    drop {{ 'view' if is_view else 'table' }} {{ tokens_relation(name) }};
    {%- endfor %}
{%- endmacro %}
