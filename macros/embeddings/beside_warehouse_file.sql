{#- Writers take no pattern, so nothing is escaped. -#}
{% macro beside_warehouse_file(name) -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0]
        if execute else '' -%}
    {{ return(literal(modules.re.sub('[^/]*$', '', path or '', count=1) ~ name)) }}
{%- endmacro %}
