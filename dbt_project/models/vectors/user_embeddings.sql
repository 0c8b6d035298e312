{{ config(materialized='scored') }}

-- The rows of one batch; macros/scored.sql says which batches there are.
-- depends_on: {{ ref('models') }}
-- depends_on: {{ checked('labels') }}
with

due as (
    select * from due_embeddings where bucket = getvariable('bucket')
),

due_events as (
    select * from {{ ref('event_tokens') }} where user_id in (select due.user_id from due)
),

due_items as (
    select * from {{ ref('profile_tokens') }} where user_id in (select due.user_id from due)
),

histories as (
    {{ collect_user_tokens('due_events', 'due_items', tokenizer_spec(ref('tokenizer')).tokenizer_hash) }}
),

final as (
    select
        due.user_id,
        {{ current_model_id() }} as model_id,
        due.as_of,
        embed_history({{ history_struct('histories', 'due.as_of') }})::float[{{ var('embedding_size') }}] as embedding
    from due
    inner join histories on due.user_id = histories.user_id
)

select * from final
