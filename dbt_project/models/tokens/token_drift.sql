{{ config(materialized='view') }}

with

final as (
    {{ drift_by(
        'day', 'day', ref('token_counts'), ref('usual_weeks'), ref('token_groups'), ref('population')
    ) }}
)

select * from final
