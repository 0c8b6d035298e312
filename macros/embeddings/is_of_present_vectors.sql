{% macro is_of_present_vectors(name, layer='vectors') -%}
    exists (
        select 1
        from {{ made_from(layer) }} as made
        inner join {{ made_from() }} as present on made.model_id = present.model_id and made.state = present.state
        inner join {{ api.Relation.create(database=target.database, schema='vectors', identifier='models') }} as models
            on made.model_id = models.model_id and models.is_current
        where made.relation = {{ literal(name) }} and present.relation = 'user_embeddings'
    )
{%- endmacro %}
