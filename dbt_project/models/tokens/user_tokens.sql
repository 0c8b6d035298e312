{{ config(materialized='view') }}

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
