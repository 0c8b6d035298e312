with

spreads as (
    select
        *,
        sum(deviation) over (partition by source, key, token_group) as spread
    from {{ ref('fit_week_groups') }}
),

left_out as (
    select
        source,
        key,
        {{ moved_share(
            'n', 'week_n', '(group_n - n) / nullif(total - week_n, 0)',
            '(spread - deviation) / greatest(weeks - 2, 1)', 'week_values', 'weeks'
        ) }} as moved
    from spreads
    where is_large
    group by source, key, week
),

usual as (
    select
        source,
        key,
        max(moved) as moved
    from left_out
    group by source, key
),

shares as (
    select
        source,
        key,
        token_group,
        any_value(weeks) as weeks,
        any_value(week_values) as week_values,
        any_value(group_n / total) as share,
        sum(deviation) / greatest(any_value(weeks) - 1, 1) as spread
    from spreads
    group by source, key, token_group
),

unknown_weeks as (
    select
        source,
        key,
        sum(n) as n,
        coalesce(sum(n) filter (where is_unknown), 0) as unknown
    from {{ ref('fit_weeks') }}
    group by source, key, week
),

unknowns as (
    select
        source,
        key,
        sum(unknown) / sum(n) as unk_share,
        max(unknown / n) filter (where n >= {{ var('drift_min_values') }}) as largest
    from unknown_weeks
    group by source, key
),

-- Rounded: in what order threads add up must not show.
final as (
    select
        shares.source,
        shares.key,
        shares.token_group,
        round(shares.share, 9)::double as share,
        round(shares.spread, 9)::double as spread,
        shares.weeks,
        shares.week_values::double as week_values,
        round(unknowns.unk_share, 9)::double as unk_share,
        {{ at_least_usual('unknowns.largest - unknowns.unk_share', 'shares.weeks') }} as usual_unk_growth,
        {{ at_least_usual('usual.moved', 'shares.weeks') }} as usual_moved
    from shares
    inner join unknowns on shares.source = unknowns.source and shares.key = unknowns.key
    left join usual on shares.source = usual.source and shares.key = usual.key
)

select * from final
