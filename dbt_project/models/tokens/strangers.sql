{{ config(materialized='ephemeral') }}

with

days as (
    select
        day,
        sum(n) as n
    from {{ ref('token_counts') }}
    group by day
),

unseen as (
    select
        source,
        key,
        sum(n)::bigint as n,
        min(day) as since,
        min(example) as example
    from {{ ref('token_counts') }}
    where is_unseen and key not in ({{ dropped_keys(ref('field_overrides')) }})
    group by source, key
),

final as (
    select
        source,
        key,
        since,
        n,
        round(n / (select sum(days.n) from days where days.day >= unseen.since), 9)::double as of_all,
        example
    from unseen
    where key = 'source' or source not in (select known.source from unseen as known where known.key = 'source')
)

select * from final
