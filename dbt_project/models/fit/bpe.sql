with

-- What the other kinds leave of the budget: five special ids, the keys, the categories, the bins.
taken as (
    select
        5
        + (select count(*) from {{ ref('fields') }})
        + (select count(*) from {{ ref('categories') }})
        + (select count(*) from {{ ref('numeric_bins') }}) as ids
),

-- Each distinct string once: counted by use, a few shops would fill the corpus.
texts as (
    select distinct field_values.value
    from {{ ref('field_values') }} as field_values
    inner join {{ ref('fields') }} as fields on field_values.key = fields.key
    where fields.kind = 'text'
),

trained as (
    select
        bpe_train(
            coalesce((select list(value order by value) from texts), []),
            ({{ var('vocabulary_size') }} - taken.ids)::integer
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
