{{ config(materialized='ephemeral') }}

with

bins as (
    select
        numeric_bins.key,
        numeric_bins.bin,
        numeric_bins.lower_edge,
        numeric_bins.upper_edge,
        field_tokens.first_id + numeric_bins.bin as token_id
    from {{ ref('numeric_bins') }} as numeric_bins
    inner join {{ ref('field_tokens') }} as field_tokens on numeric_bins.key = field_tokens.key
    where field_tokens.kind = 'numeric'
),

factors as (
    select
        true as is_higher,
        {{ var('drift_factor') }} as factor
    union all
    select
        false as is_higher,
        1 / {{ var('drift_factor') }} as factor
),

steps as (
    select unnest(range(1, 9)) as step
),

-- Eight values stand for each bin, the edge alone for an open one; zeros and values beyond all edges stay.
points as (
    select
        bins.key,
        bins.token_id,
        factors.is_higher,
        factors.factor * case
            when bins.bin = 0 or (bins.upper_edge is null and factors.is_higher) then null
            when bins.upper_edge is null or bins.lower_edge is null
                then coalesce(bins.upper_edge, bins.lower_edge)
            else bins.lower_edge + (bins.upper_edge - bins.lower_edge) * steps.step / 8
        end as number
    from bins
    cross join factors
    cross join steps
),

-- Slightly nearer to zero, because rounding could put a value beyond an edge that it equals.
moved as (
    select
        points.key,
        points.is_higher,
        points.token_id,
        coalesce(bins.token_id, points.token_id) as target_id
    from points
    left join bins
        on
            points.key = bins.key
            and {{ in_bin('(points.number - abs(points.number) * 1e-9)', 'bins') }}
),

gains as (
    select
        shares.source,
        shares.key,
        moved.is_higher,
        unnest([moved.target_id, moved.token_id]) as token_id,
        unnest([shares.share, -shares.share]) / 8 as gain
    from {{ ref('token_shares') }} as shares
    inner join moved on shares.key = moved.key and shares.token_id = moved.token_id
),

final as (
    select
        source,
        key,
        token_id::integer as token_id,
        round(coalesce(sum(gain) filter (where is_higher), 0), 9)::double as higher,
        round(coalesce(sum(gain) filter (where not is_higher), 0), 9)::double as lower
    from gains
    group by source, key, token_id
)

select * from final
