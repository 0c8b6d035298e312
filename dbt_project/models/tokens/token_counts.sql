{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_counts(this, ref('recounted_days')) }}",
) }}

{%- set span = recounted_span(ref('recounted_days')) -%}

with

days as (
    select * from {{ ref('recounted_days') }}
),

events as (
    select
        {{ event_day('ts') }} as day,
        source,
        key_ids,
        value_ids,
        positions
    from {{ ref('event_tokens') }}
    where {{ within('ts', span) }} and {{ event_day('ts') }} in (select days.day from days)
),

tokens as (
    select
        day,
        source,
        unnest(key_ids) as key_id,
        unnest(value_ids) as token_id,
        unnest(positions) as position
    from events
),

-- Only position 0 is counted, because a text is one value whatever the number of its pieces.
counted as (
    select
        tokens.day,
        tokens.source,
        field_tokens.key,
        case when field_tokens.kind <> 'text' or tokens.token_id = {{ unk_id() }} then tokens.token_id end as token_id,
        count(*)::bigint as n
    from tokens
    inner join {{ ref('field_tokens') }} as field_tokens on tokens.key_id = field_tokens.key_id
    where tokens.position = 0
    group by all
),

sources as (
    select source from {{ ref('source_values') }}
    where key = 'source'
),

known as (
    select
        counted.*,
        counted.key = 'source' and sources.source is null as is_unseen,
        null::varchar as example
    from counted
    left join sources on counted.source = sources.source
),

unseen as (
    {{ unseen_keys(checked_ref('events'), ref('recounted_days'), span, ref('source_values'), ref('field_overrides')) }}
),

together as (
    select * from known
    union all
    select * from unseen
),

final as (
    select
        together.*,
        days.state
    from together
    inner join days on together.day = days.day
)

select * from final
