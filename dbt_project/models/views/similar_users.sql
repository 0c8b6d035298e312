with

neighbours as (
    select * from {{ ref('neighbours') }} where {{ is_of_present_vectors('neighbours') }}
),

final as (
    select
        user_id,
        rank,
        similar_user_id,
        similarity,
        model_id
    from neighbours
)

select * from final
