{#- The contract has deduplicated the events. -#}
{% macro feature_events(events) -%}
events as (
    select
        user_id,
        ts,
        source,
        fields,
        {{ calendar('ts', var('calendar_tz')) }},
        row_number() over in_time as place,
        date_diff('microsecond', lag(ts) over in_time, ts) as gap
    from {{ events }}
    where user_id in (select user_id from moments)
    window in_time as (
        partition by user_id order by ts, event_id nulls first, {{ content_hash(['source', 'fields']) }}
    )
),

histories as (
    select
        moments.user_id,
        moments.eval_ts,
        events.ts,
        events.hour,
        events.weekday,
        events.place,
        events.gap,
        date_diff('microsecond', events.ts, moments.eval_ts) as age
    from moments
    inner join events on moments.user_id = events.user_id and events.ts < moments.eval_ts
),

entries as (
    select
        user_id,
        ts,
        place,
        unnest(list_append(map_entries(fields), {'key': 'source', 'value': source})) as field
    from events
)
{%- endmacro %}
