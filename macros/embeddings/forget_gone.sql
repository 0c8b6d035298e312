{% macro forget_gone(embeddings) -%}
    {%- for table in (ref('_embedding_state'), embeddings) %}
    delete from {{ table }}
    where
        user_id not in (select known.user_id from {{ ref('_histories') }} as known)
        and user_id not in (select known.user_id from {{ ref('profile_tokens') }} as known);
    {%- endfor %}
{%- endmacro %}
