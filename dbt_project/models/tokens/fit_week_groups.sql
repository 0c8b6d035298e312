{{ config(materialized='ephemeral') }}

with

weeks as (
    select
        source,
        key,
        week,
        sum(n) as n,
        sum(n) >= {{ var('drift_min_values') }} as is_large
    from {{ ref('fit_weeks') }}
    group by source, key, week
),

keys as (
    select
        source,
        key,
        sum(n) as total,
        count(*) filter (where is_large) as weeks,
        coalesce(median(n) filter (where is_large), {{ var('drift_min_values') }}) as week_values
    from weeks
    group by source, key
),

grouped as (
    select
        source,
        key,
        token_group,
        week,
        sum(n) as n
    from {{ ref('fit_weeks') }}
    where token_group is not null
    group by source, key, token_group, week
),

groups as (
    select
        token_groups.source,
        token_groups.key,
        token_groups.token_group,
        coalesce(sum(rescaled.higher), 0) as higher,
        coalesce(sum(rescaled.lower), 0) as lower
    from {{ ref('token_groups') }} as token_groups
    left join {{ ref('rescaled_shares') }} as rescaled
        on
            token_groups.source = rescaled.source and token_groups.key = rescaled.key
            and token_groups.token_id = rescaled.token_id
    group by token_groups.source, token_groups.key, token_groups.token_group
),

-- Each week with every group of its key, so that a group without values counts as 0.
filled as (
    select
        weeks.source,
        weeks.key,
        groups.token_group,
        groups.higher,
        groups.lower,
        weeks.n as week_n,
        weeks.is_large,
        weeks.week,
        coalesce(grouped.n, 0) as n,
        sum(coalesce(grouped.n, 0)) over (partition by weeks.source, weeks.key, groups.token_group) as group_n
    from weeks
    inner join groups on weeks.source = groups.source and weeks.key = groups.key
    left join grouped
        on
            weeks.source = grouped.source and weeks.key = grouped.key and weeks.week = grouped.week
            and groups.token_group = grouped.token_group
),

final as (
    select
        filled.*,
        keys.total,
        keys.weeks,
        keys.week_values,
        case when is_large then week_n * power(filled.n / week_n - group_n / total, 2) else 0 end as deviation
    from filled
    inner join keys on filled.source = keys.source and filled.key = keys.key
)

select * from final
