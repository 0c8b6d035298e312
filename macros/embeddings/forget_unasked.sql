{#- If all is made again, vectors of other models go too. -#}
{% macro forget_unasked(embeddings) -%}
    {%- set current = current_model() -%}
    {%- if current %}
    {%- if should_full_refresh() %}
    delete from {{ embeddings }} where model_id <> {{ literal(current.id) }};
    {%- endif %}
    delete from {{ embeddings }} as scored
    where
        scored.model_id = {{ literal(current.id) }}
        and not {{ has_label('scored') }}
        and not exists (
            select 1 from {{ ref('_embedding_state') }} as latest
            where
                latest.model_id = scored.model_id
                and latest.user_id = scored.user_id
                and latest.as_of = scored.as_of
        )
    {%- endif %}
{%- endmacro %}
