with

raw_transactions as (
    select * from {{ source('purchase_cards', 'transactions') }}
),

cleaned as (
    select
        trans_date::timestamp as ts,
        right(card_suffix, 4) as card_suffix,
        upper(trim(coalesce(directorate, 'NOT GIVEN'))) as directorate,
        nullif(trim(merchant_name), '') as merchant,
        original_gross_amt as amount,
        upper(coalesce(original_cur, 'GBP')) as currency,
        nullif(trim(expense_category), '') as expense_category,
        nullif(trim(cost_centre_desc), '') as cost_centre,
        upper(trim(vat_desc)) as vat
    from raw_transactions
),

hashed as (
    select
        *,
        card_suffix || ' ' || directorate as user_id,
        md5(concat_ws(
            chr(31), ts, card_suffix, directorate, coalesce(merchant, ''), coalesce(amount::varchar, ''), currency,
            coalesce(expense_category, ''), coalesce(cost_centre, ''), coalesce(vat, '')
        )) as content_hash
    from cleaned
),

final as (
    -- Equal purchases on one day are normal; only a number tells them apart.
    select
        *,
        content_hash || '-' || row_number() over (partition by content_hash) as event_id
    from hashed
)

select * from final
