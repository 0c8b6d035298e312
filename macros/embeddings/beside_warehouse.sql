{#- The folder is escaped, so that only `name` matches. -#}
{% macro beside_warehouse(name) -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0] -%}
    {%- set folder = modules.re.sub('[^/]*$', '', path or '', count=1) -%}
    {{ return(file_pattern(folder, name)) }}
{%- endmacro %}
