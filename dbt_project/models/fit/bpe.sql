with

-- BPE gets what is left of the budget after five special ids, the keys, categories, bins and sentinels.
taken as (
    select
        5
        + (select count(*) from {{ ref('fields') }})
        + (select count(*) from {{ ref('fields') }} where kind = 'text_embed')
        + (select count(*) from {{ ref('categories') }})
        + (select count(*) from {{ ref('numeric_bins') }}) as ids
),

texts as (
    select value from {{ ref('bpe_texts') }}
    union all
    select value from {{ ref('bpe_texts') }} where weight = 2
),

trained as (
    select
        bpe_train(
            coalesce((select list(value order by value) from texts), []),
            {{ var('vocabulary_size') }}::integer,
            taken.ids::integer
        ) as bpe
    from taken
),

final as (
    select
        sha256(bpe) as bpe_hash,
        bpe
    from trained
)

select * from final
