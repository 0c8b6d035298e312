with

numeric_fields as (
    select * from {{ ref('fields') }} where kind = 'numeric'
),

numbers as (
    select
        field_values.key,
        field_values.number,
        sum(field_values.n)::bigint as n
    from {{ ref('field_values') }} as field_values
    inner join numeric_fields on field_values.key = numeric_fields.key
    where field_values.number is not null and field_values.number <> 0
    group by field_values.key, field_values.number
),

cumulated as (
    select
        *,
        (sum(n) over (partition by key order by number))::bigint as upto,
        (sum(n) over (partition by key))::bigint as total,
        max(number) over (partition by key) as largest
    from numbers
),

-- The exact quantiles at 1/bins, 2/bins, ...: the smallest value that at least this share does not exceed.
-- A value at several quantiles gives one edge, so edges increase strictly.
edges as (
    select
        key,
        number as upper_edge
    from cumulated
    where
        number < largest
        and upto * {{ var('bins') }} // total > (upto - n) * {{ var('bins') }} // total
),

uppers as (
    select key, upper_edge from edges
    union all
    select key, null from numeric_fields
),

final as (
    select
        key,
        row_number() over (partition by key order by upper_edge nulls last) as bin,
        lag(upper_edge) over (partition by key order by upper_edge nulls last) as lower_edge,
        upper_edge
    from uppers
    union all
    select
        key,
        0 as bin,
        0.0::double as lower_edge,
        0.0::double as upper_edge
    from numeric_fields
)

select * from final
order by key, bin
