with

stats as (
    select
        *,
        coalesce(numbers / nullif(n - missing, 0), 0)::double as numeric_share
    from {{ ref('field_stats') }}
),

recognised as (
    select
        *,
        numeric_share >= {{ var('numeric_share') }} as is_numeric,
        -- Why a key of numbers holds codes, if it does.
        case
            when leading_zeros > 0 and leading_zeros >= {{ var('leading_zero_share') }} * (n - missing)
                then {{ thousands('leading_zeros') }} || ' with a leading zero'
            when is_whole and distinct_numbers <= {{ var('max_integer_codes') }}
                then 'whole numbers, few of them distinct'
            when width >= 3 and distinct_values <= {{ var('max_categories') }}
                then 'all of ' || width || ' digits'
        end as code,
        floor(1000 * numeric_share) / 10 || '% of ' || {{ thousands('n - missing') }} || ' values are numbers, '
        || {{ thousands('distinct_values') }} || ' distinct'
        || case when missing > 0 then ', besides ' || {{ thousands('missing') }} || ' that say nothing' else '' end
            as figures
    from stats
),

final as (
    select
        key,
        case
            when is_numeric and code is null then 'numeric'
            when distinct_values <= {{ var('max_categories') }} then 'category'
            else 'text'
        end as kind,
        case
            when is_numeric and code is null then 'a quantity'
            when is_numeric then 'codes, no quantity (' || code || ')'
            when distinct_values <= {{ var('max_categories') }} then 'few distinct values'
            else 'many distinct values'
        end as rule,
        figures,
        n,
        distinct_values,
        numeric_share,
        missing,
        unparsed
    from recognised
)

select * from final
order by key
