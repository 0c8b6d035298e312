{{ config(
    materialized='view',
    post_hook=["{{ create_embed(this) }}", "{{ create_embed_at(this) }}", "{{ create_embed_with(this) }}"],
) }}

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
