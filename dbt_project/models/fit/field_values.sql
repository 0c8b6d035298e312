with

source_values as (
    select * from {{ ref('source_values') }}
),

final as (
    select
        key,
        value,
        sum(n)::bigint as n,
        {{ parse_number('value') }} as number
    from source_values
    group by key, value
)

select * from final
