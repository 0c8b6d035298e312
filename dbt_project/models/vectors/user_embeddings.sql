with

models as (
    select * from {{ ref('models') }} where is_current
),

moments as (
    select distinct
        user_id,
        eval_ts as as_of
    from {{ checked('labels') }}
),

-- depends_on: {{ ref('user_tokens') }}
final as (
    select
        moments.user_id,
        models.model_id,
        moments.as_of,
        embed_at(moments.user_id, moments.as_of)::float[{{ var('embedding_size') }}] as embedding
    from moments
    cross join models
)

select * from final
