with

transfers as (
    select * from {{ ref(dataset_var() ~ '_transfers') }}
),

final as (
    select
        from_user,
        to_user,
        ts,
        amount
    from transfers
)

select * from final
