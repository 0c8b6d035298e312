with

field_values as (
    select * from {{ ref('field_values') }}
),

overrides as (
    select * from {{ ref('field_overrides') }}
),

summed as (
    select
        key,
        sum(n)::bigint as n,
        count(*) as distinct_values,
        coalesce(sum(n) filter (where number is not null), 0)::double / sum(n) as numeric_share,
        coalesce(bool_and(number = round(number)) filter (where number is not null), false) as is_integer
    from field_values
    group by key
),

decided as (
    select
        summed.*,
        case
            when summed.key in ('source', 'milestone')
                then {'kind': 'category', 'reason': 'reserved key'}
            when overrides.kind is not null
                then {'kind': overrides.kind, 'reason': 'field_overrides.csv'}
            when
                summed.numeric_share >= {{ var('numeric_share') }}
                and summed.is_integer and summed.distinct_values <= {{ var('max_integer_codes') }}
                then {'kind': 'category', 'reason': 'whole numbers with few distinct values are codes'}
            when summed.numeric_share >= {{ var('numeric_share') }}
                then {'kind': 'numeric', 'reason': 'nearly all values are numbers'}
            when summed.distinct_values <= {{ var('max_categories') }}
                then {'kind': 'category', 'reason': 'few distinct values'}
            else {'kind': 'text', 'reason': 'many distinct values'}
        end as decision
    from summed
    left join overrides on summed.key = overrides.key
),

final as (
    select
        key,
        decision.kind as kind,
        decision.reason as reason,
        n,
        distinct_values,
        numeric_share
    from decided
    where decision.kind <> 'drop'
)

select * from final
order by key
