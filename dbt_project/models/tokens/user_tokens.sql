{{ config(materialized='view') }}

-- The last of the tokens, so that a build up to here is complete.
-- depends_on: {{ ref('_ingested') }}
with

collected as (
    {{ collect_user_tokens(
        ref('event_tokens'), ref('profile_tokens'), tokenizer_spec(ref('tokenizer')).tokenizer_hash
    ) }}
),

final as (
    select
        *,
        {{ split_of('user_id') }} as split
    from collected
)

select * from final
