{{ config(
    materialized='scored',
    post_hook=["{{ forget_unasked(this) }}", "{{ forget_gone(this) }}", "{{ keep_state(this) }}"],
) }}

-- The rows of one batch; macros/embeddings/scored.sql runs this query once per batch.
-- depends_on: {{ ref('models') }}
-- depends_on: {{ ref('user_tokens') }}
-- depends_on: {{ ref('_embedding_state') }}
-- depends_on: {{ ref('_histories') }}
-- depends_on: {{ ref('profile_tokens') }}
-- depends_on: {{ checked_ref('labels') }}
with

due as (
    select * from {{ ref('stale_embeddings') }} where batch = getvariable('batch')
),

ordered as (
    -- A user's moments are adjacent, so that the user's tokens are read once.
    select * from due order by user_id
),

final as (
    select
        user_id,
        {{ current_model_id() }} as model_id,
        as_of,
        {{ embed_user('user_id', none, moment='as_of') }}::float[{{ var('embedding_size') }}] as embedding
    from ordered
)

select * from final
