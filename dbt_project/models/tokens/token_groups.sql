with

shares as (
    select * from {{ ref('token_shares') }}
),

seen as (
    select distinct
        source,
        key
    from shares
),

values_of_keys as (
    select
        key,
        kind,
        token_id
    from {{ ref('vocabulary') }}
    where kind in ('category', 'number')
),

possible as (
    select * from values_of_keys
    union all
    select distinct
        key,
        'unknown' as kind,
        {{ unk_id() }} as token_id
    from values_of_keys
),

-- Every token that a value of the key can become, also those that the fit never saw with the source.
tokens as (
    select
        seen.source,
        seen.key,
        possible.kind,
        possible.token_id
    from seen
    inner join possible on seen.key = possible.key
),

shared as (
    select
        tokens.*,
        coalesce(shares.share, 0) as share
    from tokens
    left join shares
        on tokens.source = shares.source and tokens.key = shares.key and tokens.token_id = shares.token_id
),

-- The place of a bin: the share of the fit's values below it, and half of those in it.
ranked as (
    select
        *,
        case
            when kind = 'number'
                then sum(share) over (partition by source, key, kind order by token_id) - share / 2
        end as place
    from shared
),

-- Neighbouring bins form a group until it holds `drift_bin_share` of the values; rare categories form group 0.
final as (
    select
        source,
        key,
        token_id::integer as token_id,
        case
            when kind = 'number'
                then min(token_id) over (
                    partition by source, key, kind, floor(round(place / {{ var('drift_bin_share') }}, 6))
                )
            when kind = 'category' and share < {{ var('drift_category_share') }} then 0
            else token_id
        end::integer as token_group,
        round(place, 9)::double as place
    from ranked
)

select * from final
order by source, key, token_id
