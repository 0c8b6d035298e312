{%- set whole = not is_incremental() or is_whole(ref('changed_partitions')) -%}
{%- set event_tokens = ref('event_tokens') -%}

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_changed_histories(this, ref('changed_histories'), is_whole(ref('changed_partitions'))) }}",
) }}

-- depends_on: {{ ref('changed_histories') }}
-- depends_on: {{ ref('event_partitions') }}
-- depends_on: {{ ref('new_events') }}
with

{% if whole -%}
-- All tokens were made at once, so the dataset, its tokenizer and the number of events stand for a history.
dataset as (
    select {{ checksum_of(['day', 'bucket', 'events', 'checksum']) }} as checksum
    from {{ ref('event_partitions') }}
),

tokenised as (
    select
        user_id,
        count(*) as events
    from {{ event_tokens }}
    group by user_id
),

final as (
    select
        tokenised.user_id,
        {{ content_hash([
            literal(tokenizer_spec(ref('tokenizer')).tokenizer_hash), 'dataset.checksum', 'tokenised.events'
        ]) }} as version,
        null::ubigint as previous,
        null::timestamp as changed_since,
        null::ubigint as change
    from tokenised
    cross join dataset
)
{%- else -%}
changed as (
    select * from {{ ref('changed_histories') }}
),

arrived as (
    select distinct user_id from {{ ref('new_events') }}
),

perhaps_gone as (
    select user_id from changed
    where user_id not in (select arrived.user_id from arrived)
),

there as (
    select user_id from arrived
    union
    select tokens.user_id
    from {{ event_tokens }} as tokens
    inner join perhaps_gone on tokens.user_id = perhaps_gone.user_id
),

final as (
    select
        changed.user_id,
        {{ content_hash(['changed.previous', 'changed.change']) }} as version,
        changed.previous,
        changed.since as changed_since,
        changed.change
    from changed
    inner join there on changed.user_id = there.user_id
)
{%- endif %}

select * from final
