{% macro contract_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='contract', identifier=name)) }}
{%- endmacro %}
