with

text_fields as (
    select key from {{ ref('fields') }} where kind = 'text'
),

strings as (
    select
        left(field_values.value, {{ var('text_characters') }}) as value,
        sum(field_values.n)::bigint as n
    from {{ ref('field_values') }} as field_values
    inner join text_fields on field_values.key = text_fields.key
    group by left(field_values.value, {{ var('text_characters') }})
),

-- Weights of 1 and 2 instead of counts, because otherwise a few frequent shops would fill the corpus.
final as (
    select
        value,
        least(n, 2) as weight
    from strings
    order by least(n, 2) desc, md5(value), value
    limit {{ var('text_sample') }}
)

select * from final
order by value
