{{ config(materialized='ephemeral') }}

{%- set until = fit_population(ref('population')).fit_until -%}
with

-- The fit's last weeks, with all users; two years hold every season twice.
counts as (
    select
        {{ week_of('day') }} as week,
        source,
        key,
        token_id,
        sum(n)::double as n
    from {{ ref('token_counts') }}
    where
        not is_unseen
        and day < {{ literal(until) }}::timestamp
        and day >= {{ literal(until) }}::timestamp - interval {{ var('drift_fit_weeks') | int * 7 }} day
    group by all
),

totals as (
    select
        source,
        key,
        token_id,
        sum(n) as n
    from counts
    group by source, key, token_id
),

final as (
    select
        counts.week,
        counts.source,
        counts.key,
        counts.token_id,
        groups.token_group,
        counts.n,
        -- A fit without this week would not know [UNK], nor a category that no other week has.
        coalesce(
            counts.token_id = {{ unk_id() }}
            or (groups.place is null and groups.token_id is not null and counts.n = totals.n),
            false
        ) as is_unknown
    from counts
    inner join totals
        on
            counts.source = totals.source and counts.key = totals.key
            and counts.token_id is not distinct from totals.token_id
    left join {{ ref('token_groups') }} as groups
        on counts.source = groups.source and counts.key = groups.key and counts.token_id = groups.token_id
)

select * from final
