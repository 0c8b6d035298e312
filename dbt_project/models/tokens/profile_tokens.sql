{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_stale(this) }}",
    post_hook="{{ mark_built('profile_tokens') }}",
) }}

with

tokenised as (
    {{ tokenize_profiles(tokenizer_spec(ref('tokenizer')), checked('profiles'), ref('texts')) }}
),

final as (
    select * from tokenised {{ unknown_to(this) }}
)

select * from final
