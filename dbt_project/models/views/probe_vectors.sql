{{ config(materialized='external', format='parquet', post_hook=["{{ show_own_file(this) }}"]) }}

with

moments as (
    select distinct
        user_id,
        eval_ts
    from {{ checked_ref('labels') }}
),

embeddings as (
    select * from {{ ref('user_embeddings') }} where model_id <> {{ current_model_id() }}
),

-- A vector is of the present data if its mark agrees with that of the current model, which is always up to date.
present as (
    select * from {{ ref('_embedding_state') }} where model_id = {{ current_model_id() }}
),

final as (
    select
        embeddings.model_id,
        embeddings.user_id,
        embeddings.as_of as eval_ts,
        embeddings.embedding::float[] as embedding
    from embeddings
    inner join moments on embeddings.user_id = moments.user_id and embeddings.as_of = moments.eval_ts
    inner join {{ ref('_embedding_state') }} as scored
        on embeddings.model_id = scored.model_id and embeddings.user_id = scored.user_id
    inner join present on scored.user_id = present.user_id and scored.profile_checksum = present.profile_checksum
    where scored.due_since is null or embeddings.as_of <= scored.due_since
)

select * from final
order by model_id, eval_ts, user_id
