{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='day',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_stale(this) }}",
    post_hook="{{ mark_built('token_drift') }}",
) }}

{%- set since = fit_population(ref('population')).fit_until -%}
{%- set span = drifted_span(ref('event_tokens'), this, since) -%}

with

-- What the fit saw cannot have drifted from it. Days that have as many events as they had stay as they are.
days as (
    {{ drifted_days(ref('event_tokens'), this, since) }}
),

events as (
    select
        {{ event_day('ts') }} as day,
        source,
        key_ids,
        value_ids
    from {{ ref('event_tokens') }}
    where
        ts >= {{ literal(since) }}::timestamp
        and {{ within('ts', span) }}
        and {{ event_day('ts') }} in (select days.day from days)
),

tokens as (
    select
        day,
        source,
        unnest(key_ids) as key_id,
        unnest(value_ids) as token_id
    from events
),

counted as (
    select
        tokens.day,
        tokens.source,
        field_tokens.key,
        tokens.token_id,
        count(*) as n
    from tokens
    inner join {{ ref('field_tokens') }} as field_tokens on tokens.key_id = field_tokens.key_id
    group by all
),

known as (
    {{ drift_of_known_keys('counted', ref('token_shares')) }}
),

unseen as (
    {{ unseen_keys(checked('events'), 'days', span, ref('source_values'), ref('field_overrides')) }}
),

final as (
    select * from known
    union all
    select * from unseen
)

select * from final
