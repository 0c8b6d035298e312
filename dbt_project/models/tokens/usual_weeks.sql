with

spreads as (
    select
        *,
        (group_n - n) / nullif(total - week_n, 0) as others_share,
        sum(deviation) over (partition by source, key, token_group) as spread
    from {{ ref('fit_week_groups') }}
),

shares as (
    select
        source,
        key,
        token_group,
        any_value(higher) as higher,
        any_value(lower) as lower,
        any_value(weeks) as weeks,
        any_value(week_values) as week_values,
        any_value(group_n / total) as share,
        sum(deviation) / greatest(any_value(weeks) - 1, 1) as spread
    from spreads
    group by source, key, token_group
),

weights as (
    select
        source,
        key,
        token_group,
        {{ rescaled_weight('higher', share_variance('share', 'spread', 'week_values', 'weeks')) }} as higher_weight,
        {{ rescaled_weight('lower', share_variance('share', 'spread', 'week_values', 'weeks')) }} as lower_weight
    from shares
),

left_out as (
    select
        spreads.source,
        spreads.key,
        {{ moved_share(
            'n', 'week_n', 'others_share', '(spread - deviation) / greatest(weeks - 2, 1)', 'week_values', 'weeks'
        ) }} as moved,
        {{ rescaled_share('n', 'week_n', 'others_share', 'higher_weight', 'week_values') }} as higher,
        {{ rescaled_share('n', 'week_n', 'others_share', 'lower_weight', 'week_values') }} as lower
    from spreads
    inner join weights
        on
            spreads.source = weights.source and spreads.key = weights.key
            and spreads.token_group = weights.token_group
    where spreads.is_large
    group by spreads.source, spreads.key, spreads.week
),

usual as (
    select
        source,
        key,
        max(moved) as moved,
        max(higher) as higher,
        max(lower) as lower
    from left_out
    group by source, key
),

unknowns as (
    select * from {{ ref('usual_unknowns') }}
),

-- Rounded, so that results do not depend on the order in which threads add.
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
        {{ at_least_usual('usual.moved', 'shares.weeks') }} as usual_moved,
        round(weights.higher_weight, 6)::double as higher_weight,
        round(weights.lower_weight, 6)::double as lower_weight,
        {{ usual_rescaled('usual.higher', 'shares.weeks') }} as usual_higher,
        {{ usual_rescaled('usual.lower', 'shares.weeks') }} as usual_lower
    from shares
    inner join weights
        on
            shares.source = weights.source and shares.key = weights.key and shares.token_group = weights.token_group
    inner join unknowns on shares.source = unknowns.source and shares.key = unknowns.key
    left join usual on shares.source = usual.source and shares.key = usual.key
)

select * from final
