{% macro last_build(name, of="last_build") -%}
    {%- set table = source(of, name) -%}
    {{ return(table if execute and load_relation(table) is not none else none) }}
{%- endmacro %}
