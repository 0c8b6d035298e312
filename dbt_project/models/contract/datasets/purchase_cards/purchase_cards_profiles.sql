with

transactions as (
    select * from {{ ref('purchase_cards_transactions') }}
),

firsts as (
    select
        user_id,
        directorate,
        min(ts) as first_transaction,
        min(ts) filter (where amount < 0) as first_refund,
        min(ts) filter (where amount >= 1000) as first_over_1000,
        min(ts) filter (where currency <> 'GBP') as first_foreign_currency
    from transactions
    group by user_id, directorate
),

final as (
    -- The directorate is known from the first use of a card on.
    select
        user_id,
        first_transaction as as_of,
        map {'directorate': directorate} as attributes,
        list_filter(
            [
                {'key': 'first_transaction', 'ts': first_transaction},
                {'key': 'first_refund', 'ts': first_refund},
                {'key': 'first_over_1000', 'ts': first_over_1000},
                {'key': 'first_foreign_currency', 'ts': first_foreign_currency}
            ],
            lambda milestone: milestone.ts is not null
        ) as lifelong
    from firsts
)

select * from final
