{#-
    Keys that the fit never saw with their source, less those that are dropped on purpose: how often they
    hold a value on a day, and the least of these. Sets of keys are few; events are asked for values only when they hold
    such a key, and never stand on the side of a join that is held in memory.
-#}
{% macro unseen_keys(events, days, span, source_values, overrides) -%}
    with sets as (
        select distinct
            source,
            map_keys(fields) as keys
        from {{ events }}
        where {{ within('ts', span) }} and {{ event_day('ts') }} in (select {{ days }}.day from {{ days }})
    ),

    strangers as (
        select distinct
            found.source,
            found.key
        from (select source, unnest(keys) as key from sets) as found
        where
            not exists (
                select 1 from {{ source_values }} as seen
                where seen.source is not distinct from found.source and seen.key = found.key
            )
            and found.key not in ('source', 'milestone')
            and found.key not in ({{ dropped_keys(overrides) }})
    ),

    held as (
        select
            {{ event_day('ts') }} as day,
            source,
            unnest(map_entries(fields)) as field
        from {{ events }}
        where
            {{ within('ts', span) }}
            and {{ event_day('ts') }} in (select {{ days }}.day from {{ days }})
            and list_has_any(map_keys(fields), (select list(distinct key) from strangers))
    )

    select
        held.day,
        held.source,
        held.field.key as key,
        null::integer as token_id,
        count(*)::bigint as n,
        true as is_unseen,
        left(min(held.field.value), 40) as example
    from held
    inner join strangers on held.source = strangers.source and held.field.key = strangers.key
    where held.field.value is not null
    group by all
{%- endmacro %}

{#- The keys that field_overrides.csv drops, as a subquery. -#}
{% macro dropped_keys(overrides) -%}
    select overrides.key from {{ overrides }} as overrides
    where overrides.kind = 'drop' and coalesce(overrides.book, {{ literal(var('book')) }}) = {{ literal(var('book')) }}
{%- endmacro %}
