with

field_values as (
    select
        *,
        number is null and lower(trim(value)) in ({{ missing_words() }}) as is_missing,
        regexp_full_match(trim(value), '0[0-9]+') as has_leading_zero,
        case when regexp_full_match(trim(value), '[0-9]+') then length(trim(value)) end as digits
    from {{ ref('field_values') }}
),

final as (
    select
        key,
        sum(n)::bigint as n,
        count(*) as distinct_values,
        coalesce(sum(n) filter (where number is not null), 0)::bigint as numbers,
        coalesce(sum(n) filter (where is_missing), 0)::bigint as missing,
        coalesce(sum(n) filter (where number is null and not is_missing), 0)::bigint as unparsed,
        coalesce(sum(n) filter (where has_leading_zero), 0)::bigint as leading_zeros,
        count(*) filter (where number is not null) as distinct_numbers,
        coalesce(bool_and(number = round(number)) filter (where number is not null), false) as is_whole,
        case
            when
                count(digits) = count(number)
                and min(digits) filter (where number is not null) = max(digits) filter (where number is not null)
                then max(digits)
        end as width
    from field_values
    group by key
)

select * from final
order by key
