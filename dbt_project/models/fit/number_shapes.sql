with

numbers as (
    select
        key,
        number,
        sum(n)::bigint as n
    from {{ ref('field_values') }}
    where
        number is not null
        and key in (
            select key from {{ ref('field_stats') }} where numbers >= {{ var('numeric_share') }} * (n - missing)
        )
    group by key, number
),

placed as (
    select
        *,
        -- Neighbours also differ by chance: 1 / n is the variance of the logarithm of a count n, so two add up.
        power(ln(n) - lag(ln(n)) over by_number, 2) - 1 / n - 1 / lag(n) over by_number as step,
        ln(n) - avg(ln(n)) over (partition by key) as from_mean,
        sum(n) over by_number as upto,
        sum(n) over (partition by key) as total,
        row_number() over by_number as place,
        case when number <> 0 then log10(abs(number)) - floor(log10(abs(number))) end as mantissa
    from numbers
    window by_number as (partition by key order by number)
),

final as (
    select
        key,
        count(*) as distinct_numbers,
        min(number) as lowest,
        max(number) as highest,
        coalesce(sum(n) filter (where number < 0) / sum(n), 0)::double as negative_share,
        coalesce(sum(n) filter (where number = 0) / sum(n), 0)::double as zero_share,
        coalesce(sum(n) filter (where number <> round(number)) / sum(n), 0)::double as decimal_share,
        coalesce(
            sum(n) filter (where number <> 0 and number % 10 = 0) / sum(n) filter (where number <> 0), 0
        )::double as round_share,
        min(number) filter (where upto >= 0.05 * total) as low,
        min(number) filter (where upto >= 0.5 * total) as middle,
        min(number) filter (where upto >= 0.95 * total) as high,
        -- Null if the counts differ hardly more than by chance.
        case
            when sum(power(from_mean, 2) - 1 / n) > 0.3 * sum(power(from_mean, 2))
                then round(greatest(sum(step), 0) / (2 * sum(power(from_mean, 2) - 1 / n)), 6)
        end as roughness,
        case when max(n) > min(n) then round(corr(ln(n), place), 6) end as rising,
        round(sum(n * mantissa) / sum(n) filter (where number <> 0), 6) as mantissa_mean,
        round(sqrt(greatest(
            sum(n * power(mantissa, 2)) / sum(n) filter (where number <> 0)
            - power(sum(n * mantissa) / sum(n) filter (where number <> 0), 2), 0
        )), 6) as mantissa_sd
    from placed
    group by key
)

select * from final
order by key
