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
marked as (
    select
        *,
        number < largest and upto * {{ var('bins') }} // total > (upto - n) * {{ var('bins') }} // total as is_edge
    from cumulated
),

edges as (
    select
        key,
        number as upper_edge
    from marked
    where is_edge
),

binned as (
    select
        *,
        1 + coalesce(sum(is_edge::integer) over (
            partition by key order by number rows between unbounded preceding and 1 preceding
        ), 0) as bin
    from marked
),

-- Added up in the order of the numbers, so that the means do not depend on the number of threads.
means as (
    select
        key,
        bin::bigint as bin,
        list_sum(list(n * number order by number)) / sum(n) as mean
    from binned
    group by key, bin
),

uppers as (
    select key, upper_edge from edges
    union all
    select key, null from numeric_fields
),

bins as (
    select
        key,
        row_number() over (partition by key order by upper_edge nulls last) as bin,
        lag(upper_edge) over (partition by key order by upper_edge nulls last) as lower_edge,
        upper_edge
    from uppers
),

final as (
    select
        bins.*,
        means.mean
    from bins
    left join means on bins.key = means.key and bins.bin = means.bin
    union all
    select
        key,
        0 as bin,
        0.0::double as lower_edge,
        0.0::double as upper_edge,
        0.0::double as mean
    from numeric_fields
)

select * from final
order by key, bin
