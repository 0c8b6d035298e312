{{ config(materialized='arrivals') }}

{%- set stale = tokens_are_stale('event_tokens') -%}
{%- set days = changed_days(ref('event_partitions')) -%}
{%- set aside = set_aside_events() -%}
{%- set days_aside = days_of(aside) -%}

with

events as (
    select * from {{ ref('events') }}
    {% if not stale %}where {{ within('ts', days) }}{% endif %}
),

{% if stale %}
final as (
    select * from events
)
{% else %}
changed as (
    {{ changed_partitions(ref('event_partitions')) }}
),

{% if aside -%}
aside as (
    {{ aside }}
),

again as (
    select events.*
    from {{ ref('events') }} as events
    inner join aside on {{ same_name('events', 'aside') }}
    where
        {{ within('events.ts', days_aside) }}
        and not exists (
            select 1 from changed
            where
                {{ event_day('events.ts') }} is not distinct from changed.day
                and {{ event_bucket('events.user_id') }} = changed.bucket
        )
),

{% endif -%}
candidates as (
    select
        events.*,
        {{ content_identity() }} as content_hash
    from events
    inner join changed
        on
            {{ event_day('events.ts') }} is not distinct from changed.day
            and {{ event_bucket('events.user_id') }} = changed.bucket
    {%- if aside %}
    union all
    select
        *,
        {{ content_identity() }} as content_hash
    from again
    {%- endif %}
),

tokenised as (
    select
        seen.user_id,
        seen.ts,
        seen.event_id,
        seen.content_hash
    from {{ tokens_relation('event_tokens') }} as seen
    inner join changed
        on {{ event_day('seen.ts') }} = changed.day and {{ event_bucket('seen.user_id') }} = changed.bucket
    where {{ within('seen.ts', days) }}
    {%- if aside %}
    union all
    select
        seen.user_id,
        seen.ts,
        seen.event_id,
        seen.content_hash
    from {{ tokens_relation('event_tokens') }} as seen
    inner join aside on {{ same_name('seen', 'aside') }}
    where {{ within('seen.ts', days_aside) }}
    {%- endif %}
),

final as (
    select candidates.* exclude (content_hash)
    from candidates
    where not exists (
        select 1 from tokenised where {{ same_event('candidates', 'tokenised') }}
    )
)
{% endif %}

select * from final
