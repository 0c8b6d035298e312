with

specials as (
    select
        0 as kind_order,
        'special' as kind,
        '' as key,
        unnest(['[PAD]', '[MASK]', '[UNK]', '[USR]', '[EVT]']) as value,
        generate_subscripts(['[PAD]', '[MASK]', '[UNK]', '[USR]', '[EVT]'], 1) as value_order,
        0 as n,
        null::double as mean
),

keys as (
    select
        1 as kind_order,
        'key' as kind,
        key,
        '' as value,
        0 as value_order,
        n,
        null as mean
    from {{ ref('fields') }}
),

categories as (
    select
        2 as kind_order,
        'category' as kind,
        key,
        value,
        rank as value_order,
        n,
        null as mean
    from {{ ref('categories') }}
),

bins as (
    select
        3 as kind_order,
        'number' as kind,
        key,
        case
            when bin = 0 then '0'
            else
                '(' || coalesce(lower_edge::varchar, '-inf') || ', '
                || coalesce(upper_edge::varchar || ']', 'inf)')
        end as value,
        bin as value_order,
        0 as n,
        mean
    from {{ ref('numeric_bins') }}
),

-- A text_embed key has one token; the string itself goes to a frozen text encoder.
sentinels as (
    select
        4 as kind_order,
        'text_embed' as kind,
        key,
        '[TEXT]' as value,
        0 as value_order,
        n,
        null as mean
    from {{ ref('fields') }}
    where kind = 'text_embed'
),

pieces as (
    select
        5 as kind_order,
        'text' as kind,
        '' as key,
        piece as value,
        piece_id as value_order,
        0 as n,
        null::double as mean
    from {{ ref('text_pieces') }}
),

unioned as (
    select * from specials
    union all
    select * from keys
    union all
    select * from categories
    union all
    select * from bins
    union all
    select * from sentinels
    union all
    select * from pieces
),

final as (
    select
        (row_number() over (order by kind_order, key, value_order) - 1)::integer as token_id,
        kind,
        key,
        value,
        n::bigint as n,
        mean
    from unioned
)

select * from final
order by token_id
