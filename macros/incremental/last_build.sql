{#- A table that the last build left, a source of models/tokens/_sources.yml; the value none if there is none. -#}
{% macro last_build(name, of="last_build") -%}
    {%- set table = source(of, name) -%}
    {{ return(table if execute and load_relation(table) is not none else none) }}
{%- endmacro %}
