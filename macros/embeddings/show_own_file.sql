{#-
    dbt-duckdb's own view takes the path for a pattern, and in a folder named `*` would also read other warehouses'
    files. A file without rows holds one row of nulls, which the view leaves out.
-#}
{% macro show_own_file(relation) -%}
    {%- if execute -%}
    create or replace view {{ relation }} as
    select * from read_parquet({{ beside_warehouse(relation.identifier ~ '.parquet') }})
    where model_id is not null
    {%- endif -%}
{%- endmacro %}
