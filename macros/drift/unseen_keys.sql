{#-
    Distinct sets of keys are few, so they are searched first; events are read for values only if one of the sets holds
    such a key, and are never the side of a join that is held in memory.
-#}
{% macro unseen_keys(events, days, span, source_values, overrides) -%}
    {%- set found = _strangers(events, days, span, source_values, overrides) -%}
    {#- In a unit test, `days` is a subquery without a schema, which cannot be queried beforehand. -#}
    {%- if execute and days.schema and not run_query('select 1 from (' ~ found ~ ') limit 1').rows -%}
    select
        null::date as day,
        null::varchar as source,
        null::varchar as key,
        null::integer as token_id,
        null::bigint as n,
        true as is_unseen,
        null::varchar as example
    where false
    {%- else -%}
    with strangers as (
        {{ found }}
    ),

    held as (
        select
            {{ event_day('ts') }} as day,
            source,
            unnest(map_entries(fields)) as field
        from {{ events }}
        where
            {{ within('ts', span) }}
            and {{ event_day('ts') }} in (select day from {{ days }})
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
    {%- endif -%}
{%- endmacro %}

{% macro _strangers(events, days, span, source_values, overrides) -%}
    select distinct
        sets.source,
        sets.key
    from (
        select
            source,
            unnest(keys) as key
        from (
            select distinct
                source,
                map_keys(fields) as keys
            from {{ events }}
            where {{ within('ts', span) }} and {{ event_day('ts') }} in (select day from {{ days }})
        ) as distinct_sets
    ) as sets
    where
        not exists (
            select 1 from {{ source_values }} as seen
            where seen.source is not distinct from sets.source and seen.key = sets.key
        )
        and sets.key not in ('source', 'milestone')
        and sets.key not in ({{ dropped_keys(overrides) }})
{%- endmacro %}
