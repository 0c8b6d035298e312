with

vocabulary as (
    select * from {{ ref('vocabulary') }}
),

keys as (
    select
        key,
        token_id
    from vocabulary
    where kind = 'key'
),

-- The first token of a key: bin 0 of a numeric key, the most frequent category, the only token of text_embed.
first_ids as (
    select
        key,
        min(token_id) as first_id,
        list(value order by token_id) filter (where kind = 'category') as categories
    from vocabulary
    where kind in ('number', 'category', 'text_embed')
    group by key
),

edges as (
    select
        key,
        list(upper_edge order by upper_edge) filter (where bin > 0 and upper_edge is not null) as edges
    from {{ ref('numeric_bins') }}
    group by key
),

final as (
    select
        row_number() over (order by fields.key in ('source', 'milestone'), fields.key) as index,
        fields.key,
        fields.kind,
        fields.static,
        keys.token_id as key_id,
        first_ids.first_id,
        edges.edges,
        first_ids.categories
    from {{ ref('fields') }} as fields
    inner join keys on fields.key = keys.key
    left join first_ids on fields.key = first_ids.key
    left join edges on fields.key = edges.key
)

select * from final
order by index
