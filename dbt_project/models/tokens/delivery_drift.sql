{{ config(materialized='view') }}

with

days as (
    select day from {{ ref('recounted_days') }}
    where day >= {{ literal(fit_population(ref('population')).fit_until) }}::timestamp
),

first_day as (
    select min(day) as day from days
),

counts as (
    select
        first_day.day as period,
        token_counts.source,
        token_counts.key,
        token_counts.token_id,
        token_counts.is_unseen,
        sum(token_counts.n) as n
    from {{ ref('token_counts') }} as token_counts
    cross join first_day
    where token_counts.day in (select days.day from days)
    group by all
),

drift as (
    {{ drift_of('counts', ref('usual_weeks'), ref('token_groups')) }}
),

final as (
    select
        period as since,
        * exclude (period),
        {{ beyond('warn') }} as is_beyond,
        {{ beyond('error') }} as is_far_beyond
    from drift
)

select * from final
