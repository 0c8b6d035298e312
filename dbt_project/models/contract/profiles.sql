with

profiles as (
    select * from {{ ref(dataset_var() ~ '_profiles') }}
),

final as (
    select
        user_id,
        as_of,
        attributes,
        lifelong
    from profiles
)

select * from final
