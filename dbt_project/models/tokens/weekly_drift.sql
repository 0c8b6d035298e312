{{ config(materialized='view') }}

with

last_day as (
    select max(day) as day from {{ ref('token_counts') }}
),

final as (
    {{ drift_by(
        week_of('day'), 'week', ref('token_counts'), ref('usual_weeks'), ref('token_groups'), ref('population'),
        whole='keys.period + 6 <= (select last_day.day from last_day)'
    ) }}
)

select * from final
