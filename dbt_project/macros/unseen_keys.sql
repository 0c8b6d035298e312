{#-
    Keys that the fit never saw with their source, less those that are dropped on purpose: how often they
    hold a value on a day, and the least of these. Sets of keys are few, so values are read only where one has such a key.
-#}
{% macro unseen_keys(events, days, span, source_values, overrides) -%}
    select
        {{ event_day('events.ts') }} as day,
        events.source,
        strangers.key,
        null::integer as token_id,
        count(*)::bigint as n,
        true as is_unseen,
        left(min(events.fields[strangers.key]), 40) as example
    from {{ events }} as events
    inner join (
        select
            sets.source,
            sets.keys,
            unnest(sets.keys) as key
        from (
            select distinct
                source,
                map_keys(fields) as keys
            from {{ events }}
            where {{ within('ts', span) }} and {{ event_day('ts') }} in (select {{ days }}.day from {{ days }})
        ) as sets
    ) as strangers
        on events.source = strangers.source and map_keys(events.fields) = strangers.keys
    where
        {{ within('events.ts', span) }}
        and {{ event_day('events.ts') }} in (select {{ days }}.day from {{ days }})
        and not exists (
            select 1 from {{ source_values }} as seen
            where seen.source is not distinct from strangers.source and seen.key = strangers.key
        )
        and strangers.key not in ('source', 'milestone')
        and strangers.key not in ({{ dropped_keys(overrides) }})
        and events.fields[strangers.key] is not null
    group by all
{%- endmacro %}

{#- The keys that field_overrides.csv drops, as a subquery. -#}
{% macro dropped_keys(overrides) -%}
    select overrides.key from {{ overrides }} as overrides
    where overrides.kind = 'drop' and coalesce(overrides.book, {{ literal(var('book')) }}) = {{ literal(var('book')) }}
{%- endmacro %}
