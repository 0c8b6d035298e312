{% macro fit_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='fit', identifier=name)) }}
{%- endmacro %}
