with

fields as (
    select * from {{ ref('fields') }} where kind = 'category'
),

ranked as (
    select
        field_values.key,
        field_values.value,
        field_values.n,
        row_number() over (partition by field_values.key order by field_values.n desc, field_values.value asc) as rank
    from {{ ref('field_values') }} as field_values
    inner join fields on field_values.key = fields.key
),

final as (
    select * from ranked where rank <= {{ var('max_categories') }}
)

select * from final
order by key, rank
