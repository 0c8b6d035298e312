{%- set population = ref('population') -%}
with

-- Events and profiles are read straight from the sources: a copy would be the most expensive part of the fit.
events as not materialized (
    select * from {{ checked_ref('events') }}
    where {{ in_fit_population('user_id', 'ts', population) }}
),

profiles as not materialized (
    select
        *,
        {{ in_fit_population('user_id', 'as_of', population) }} as is_before
    from {{ checked_ref('profiles') }}
    where {{ fit_users('user_id', fit_population(population).fit_users) }}
),

statics as (
    select key from {{ ref('field_overrides') }}
    where
        static
        and coalesce({{ override_dataset(ref('field_overrides')) }}, {{ literal(dataset_var()) }})
        = {{ literal(dataset_var()) }}
),

event_fields as (
    select
        source,
        unnest(map_entries(fields)) as field
    from events
),

attributes as (
    select
        unnest(map_entries(attributes)) as field,
        is_before
    from profiles
),

milestones as (
    select unnest(lifelong) as milestone from profiles where is_before
),

seen as (
    select
        source,
        'source' as key,
        source as value
    from events
    union all
    select source, field.key, field.value from event_fields where field.key not in ('source', 'milestone')
    union all
    select null, field.key, field.value from attributes
    where field.key not in ('source', 'milestone') and (is_before or field.key in (select key from statics))
    union all
    select null, 'milestone', milestone.key from milestones
    where milestone.ts < {{ literal(fit_population(population).fit_until) }}::timestamp
),

final as (
    select
        source,
        key,
        value,
        count(*) as n
    from seen
    where value is not null
    group by source, key, value
)

select * from final
