{% macro restore_fit(schema) -%}
    {%- set archived = tables_in([schema]) | map('last') | list -%}
    begin;
    {%- for source, table in tables_in(['fit']) if table in archived %}
    create or replace table {{ source }}.{{ adapter.quote(table) }} as from {{ schema }}.{{ adapter.quote(table) }};
    {%- endfor %}
    commit;
{%- endmacro %}
