{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_stale(this) }}",
    post_hook=[
        "{{ keep_partitions(ref('event_partitions')) }}",
        "{{ keep_users(this, ref('new_events')) }}",
        "{{ mark_due(this, ref('new_events')) }}",
        "{{ mark_built('event_tokens') }}",
    ],
) }}

with

tokenised as (
    {{ tokenize_events(tokenizer_spec(ref('tokenizer')), checked('new_events'), ref('texts')) }}
),

final as (
    select * from tokenised {{ unknown_events(this, ref('event_partitions')) }}
    {{- first_of_repeated_events(ref('checks')) }}
)

select * from final
