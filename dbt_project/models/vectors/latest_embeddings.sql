{{ config(materialized='view', post_hook="{{ create_nearest_users(this) }}") }}

with

embeddings as (
    select * from {{ ref('user_embeddings') }}
),

scored as (
    select * from {{ ref('_embedding_state') }} where model_id = {{ current_model_id() }}
),

final as (
    select
        embeddings.user_id,
        embeddings.model_id,
        embeddings.as_of,
        embeddings.embedding
    from embeddings
    inner join scored
        on
            embeddings.user_id = scored.user_id
            and embeddings.model_id = scored.model_id
            and embeddings.as_of = scored.as_of
)

select * from final
