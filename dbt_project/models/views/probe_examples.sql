{{ config(
    materialized='external',
    format='parquet',
    post_hook=["{{ keep_made_from(this) }}", "{{ show_present_vectors(this) }}"],
) }}

with

labels as (
    select * from {{ checked_ref('labels') }}
),

features as (
    select * from {{ ref('user_features') }}
),

embeddings as (
    select * from {{ ref('user_embeddings') }} where model_id = {{ current_model_id() }}
),

final as (
    select
        labels.task,
        labels.label,
        coalesce(labels.split, {{ split_of('labels.user_id') }}) as split,
        embeddings.model_id,
        embeddings.embedding::float[] as embedding,
        features.*
    from labels
    inner join features on labels.user_id = features.user_id and labels.eval_ts = features.eval_ts
    inner join embeddings on labels.user_id = embeddings.user_id and labels.eval_ts = embeddings.as_of
)

select * from final
order by task, eval_ts, user_id
