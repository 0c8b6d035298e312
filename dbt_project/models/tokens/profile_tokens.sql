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
    select * from tokenised
    {%- if is_incremental() %}
    where not exists (
        select 1 from {{ this }} as seen
        where
            tokenised.user_id = seen.user_id
            and case
                when tokenised.ts is null then seen.ts is null and tokenised.as_of = seen.as_of
                else tokenised.ts = seen.ts and tokenised.value_ids = seen.value_ids
            end
    )
    {%- endif %}
)

select * from final
