with

transfers as (
    select * from {{ ref(var('book') ~ '_transfers') }}
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
