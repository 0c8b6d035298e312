{#- Unlike `ref`, it adds no dependency. -#}
{% macro tokens_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='tokens', identifier=name)) }}
{%- endmacro %}
