{{ config(materialized='view') }}

with

counts as (
    select
        day as period,
        source,
        key,
        token_id,
        is_unseen,
        sum(n) as n
    from {{ ref('token_counts') }}
    where day >= {{ literal(fit_population(ref('population')).fit_until) }}::timestamp
    group by all
),

drift as (
    {{ drift_of('counts', ref('usual_weeks'), ref('token_groups')) }}
),

final as (
    select
        period as day,
        * exclude (period),
        {{ beyond('warn') }} as is_beyond,
        {{ beyond('error') }} as is_far_beyond
    from drift
)

select * from final
