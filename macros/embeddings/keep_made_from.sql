{#- The file made_from.parquet follows once all relations are built. -#}
{% macro keep_made_from(relation) -%}
    delete from {{ made_from(relation.schema) }} where relation = {{ literal(relation.identifier) }};
    insert into {{ made_from(relation.schema) }}
    select {{ literal(relation.identifier) }}, model_id, state, vectors from {{ made_from() }} where relation = 'user_embeddings'
{%- endmacro %}
