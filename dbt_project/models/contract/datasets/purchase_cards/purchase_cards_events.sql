with

transactions as (
    select * from {{ ref('purchase_cards_transactions') }}
),

final as (
    select
        user_id,
        ts,
        'card' as source,
        {{ present_fields({
            'merchant': 'merchant',
            'amount': 'amount',
            'currency': 'currency',
            'expense_category': 'expense_category',
            'cost_centre': 'cost_centre',
            'vat': 'vat',
        }) }} as fields,
        event_id
    from transactions
)

select * from final
