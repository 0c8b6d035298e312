with

described as (
    select
        stats.*,
        shapes.* exclude (key, distinct_numbers),
        {{ name_hint(spaced_words('stats.key')) }} as hint,
        stats.n - stats.missing as said,
        -- Fifty known values are added, because few values prove little.
        greatest(stats.once, stats.beyond_cap) / (stats.n - stats.missing + 50) as unknown_share,
        stats.distinct_values / greatest(shapes.highest - shapes.lowest + 1, 1) as density
    from {{ ref('field_stats') }} as stats
    left join {{ ref('number_shapes') }} as shapes on stats.key = shapes.key
),

weighed as (
    select
        key,
        'number' as question,
        unnest({{ number_evidence() }}) as evidence
    from described
    where lowest is not null
    union all
    select
        key,
        'text' as question,
        unnest({{ text_evidence() }}) as evidence
    from described
),

final as (
    select
        key,
        question,
        evidence.weight::double as weight,
        evidence.why as why
    from weighed
    where evidence.weight <> 0
)

select * from final
order by key, question, why
