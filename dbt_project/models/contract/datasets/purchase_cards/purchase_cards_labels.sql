with

transactions as (
    select
        user_id,
        ts,
        amount
    from {{ ref('purchase_cards_transactions') }}
),

moments as (
    select unnest({{ var('evaluation_moments') }})::timestamp as eval_ts
),

active_cards as (
    select distinct
        moments.eval_ts,
        transactions.user_id
    from moments
    inner join transactions
        on
            transactions.ts < moments.eval_ts
            and transactions.ts >= moments.eval_ts - interval 180 day
    where moments.eval_ts + interval 90 day <= (select max(t.ts) from transactions as t)
),

next_90_days as (
    -- Strictly after the moment: a purchase at the moment itself is on neither side.
    select
        active_cards.eval_ts,
        active_cards.user_id,
        count(transactions.ts) as purchases,
        coalesce(sum(transactions.amount::decimal(18, 2)), 0) as spend
    from active_cards
    left join transactions
        on
            active_cards.user_id = transactions.user_id
            and transactions.ts > active_cards.eval_ts
            and transactions.ts <= active_cards.eval_ts + interval 90 day
    group by active_cards.eval_ts, active_cards.user_id
),

medians as (
    select
        eval_ts,
        median(spend) as median_spend
    from next_90_days
    group by eval_ts
),

final as (
    select
        'inactive_90d' as task,
        user_id,
        eval_ts,
        (purchases = 0)::integer::double as label
    from next_90_days
    union all
    select
        'high_spend_90d' as task,
        next_90_days.user_id,
        next_90_days.eval_ts,
        (next_90_days.spend > medians.median_spend)::integer::double as label
    from next_90_days
    inner join medians on next_90_days.eval_ts = medians.eval_ts
)

select * from final
