{{ config(materialized='ephemeral') }}

with

days as (
    select day from {{ ref('recounted_days') }}
    where day >= {{ literal(fit_population(ref('population')).fit_until) }}::timestamp
),

first_day as (
    select min(day) as day from days
),

final as (
    {{ drift_by(
        '(select first_day.day from first_day)', 'since', ref('token_counts'), ref('usual_weeks'), ref('token_groups'),
        ref('population'), days='days'
    ) }}
)

select * from final
