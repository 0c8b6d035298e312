with

events as (
    select * from {{ checked('events') }}
    where {{ in_fit_population('user_id', 'ts') }}
),

profiles as (
    select * from {{ checked('profiles') }}
    where {{ in_fit_population('user_id', 'as_of') }}
),

sources as (
    select
        'source' as key,
        source as value
    from events
),

event_fields as (
    select unnest(map_entries(fields)) as field from events
),

attributes as (
    select unnest(map_entries(attributes)) as field from profiles
),

milestones as (
    select unnest(lifelong) as milestone from profiles
),

seen as (
    select key, value from sources
    union all
    select field.key, field.value from event_fields where field.key not in ('source', 'milestone')
    union all
    select field.key, field.value from attributes where field.key not in ('source', 'milestone')
    union all
    select 'milestone', milestone.key from milestones
    where milestone.ts < {{ literal(var('fit_until')) }}::timestamp
),

counted as (
    select
        key,
        value,
        count(*) as n
    from seen
    where value is not null
    group by key, value
),

final as (
    select
        key,
        value,
        n,
        {{ parse_number('value') }} as number
    from counted
)

select * from final
