with

field_values as (
    select
        *,
        number is null and lower(trim(value)) in ({{ missing_words() }}) as is_missing,
        regexp_full_match(trim(value), '0[0-9]+') as has_leading_zero,
        case when regexp_full_match(trim(value), '[0-9]+') then length(trim(value)) end as digits,
        length(value) - length(replace(trim(value), ' ', '')) as spaces
    from {{ ref('field_values') }}
),

-- The number of values that occur n times: few rows, however many values there are.
occurring as (
    select
        key,
        n,
        count(*) as values_of_n,
        sum(count(*)) over (partition by key order by n desc) as values_upto
    from field_values
    where not is_missing
    group by key, n
),

repeats as (
    select
        key,
        coalesce(sum(n * values_of_n) filter (where n = 1), 0)::bigint as once,
        sum(
            n * greatest(least(values_of_n, values_upto - {{ var('max_categories') }}), 0)
        )::bigint as beyond_cap
    from occurring
    group by key
),

counted as (
    select
        key,
        sum(n)::bigint as n,
        count(*) as distinct_values,
        coalesce(sum(n) filter (where number is not null), 0)::bigint as numbers,
        coalesce(sum(n) filter (where is_missing), 0)::bigint as missing,
        coalesce(sum(n) filter (where number is null and not is_missing), 0)::bigint as unparsed,
        coalesce(sum(n) filter (where has_leading_zero), 0)::bigint as leading_zeros,
        count(distinct number) as distinct_numbers,
        coalesce(bool_and(number = round(number)) filter (where number is not null), false) as is_whole,
        case
            when
                count(digits) = count(number)
                and min(digits) filter (where number is not null) = max(digits) filter (where number is not null)
                then max(digits)
        end as width,
        round((sum(spaces) filter (where not is_missing) / count(*) filter (where not is_missing))::double, 6) as spaces
    from field_values
    group by key
),

final as (
    select
        counted.*,
        coalesce(repeats.once, 0) as once,
        coalesce(repeats.beyond_cap, 0) as beyond_cap
    from counted
    left join repeats on counted.key = repeats.key
)

select * from final
order by key
