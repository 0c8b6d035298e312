with

rules as (
    select * from {{ ref('field_rules') }}
),

overrides as (
    select
        key,
        nullif(kind, '') as kind,
        static
    from {{ ref('field_overrides') }}
    where
        coalesce({{ override_dataset(ref('field_overrides')) }}, {{ literal(dataset_var()) }})
        = {{ literal(dataset_var()) }}
),

decided as (
    select
        rules.key,
        case
            when rules.key in ('source', 'milestone') then 'category'
            else coalesce(overrides.kind, rules.kind)
        end as kind,
        case
            when rules.key in ('source', 'milestone') then 'reserved key'
            when overrides.kind is not null
                then 'field_overrides.csv, where the rules say ' || rules.kind || ' (' || rules.rule || ')'
            else rules.rule
        end || ': ' || rules.figures as reason,
        overrides.kind is null and rules.key not in ('source', 'milestone') and rules.otherwise is not null as doubtful,
        rules.otherwise,
        rules.doubt,
        rules.n,
        rules.distinct_values,
        rules.numeric_share,
        rules.missing,
        rules.unparsed,
        coalesce(overrides.static, false) as static
    from rules
    left join overrides on rules.key = overrides.key
),

ranked as (
    select
        field_values.key,
        field_values.n,
        row_number() over (partition by field_values.key order by field_values.n desc, field_values.value asc) as rank
    from {{ ref('field_values') }} as field_values
    inner join decided on field_values.key = decided.key
    where decided.kind = 'category' and decided.distinct_values > {{ var('max_categories') }}
),

beyond_the_cap as (
    select
        key,
        count(*) as capped_values,
        sum(n)::bigint as capped_n
    from ranked
    where rank > {{ var('max_categories') }}
    group by key
),

final as (
    select
        decided.* exclude (otherwise, doubt),
        case when decided.doubtful then decided.otherwise end as otherwise,
        case when decided.doubtful then decided.doubt end as doubt,
        coalesce(beyond_the_cap.capped_values, 0) as capped_values,
        coalesce(beyond_the_cap.capped_n, 0) as capped_n
    from decided
    left join beyond_the_cap on decided.key = beyond_the_cap.key
    where decided.kind <> 'drop'
)

select * from final
order by key
