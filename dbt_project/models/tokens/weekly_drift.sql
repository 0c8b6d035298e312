{{ config(materialized='view') }}

with

counts as (
    select
        {{ week_of('day') }} as period,
        source,
        key,
        token_id,
        is_unseen,
        sum(n) as n
    from {{ ref('token_counts') }}
    where day >= {{ literal(fit_population(ref('population')).fit_until) }}::timestamp
    group by all
),

last_day as (
    select max(day) as day from {{ ref('token_counts') }}
),

drift as (
    {{ drift_of(
        'counts', ref('usual_weeks'), ref('token_groups'), 'keys.period + 6 <= (select last_day.day from last_day)'
    ) }}
),

final as (
    select
        period as week,
        * exclude (period),
        {{ beyond('warn') }} as is_beyond,
        {{ beyond('error') }} as is_far_beyond
    from drift
)

select * from final
