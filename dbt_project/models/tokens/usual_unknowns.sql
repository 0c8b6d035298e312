{{ config(materialized='ephemeral') }}

with

weeks as (
    select
        source,
        key,
        sum(n) as n,
        coalesce(sum(n) filter (where is_unknown), 0) as unknown
    from {{ ref('fit_weeks') }}
    group by source, key, week
),

final as (
    select
        source,
        key,
        sum(unknown) / sum(n) as unk_share,
        max(unknown / n) filter (where n >= {{ var('drift_min_values') }}) as largest
    from weeks
    group by source, key
)

select * from final
