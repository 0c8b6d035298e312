{% macro milestone_items(spec, profiles) -%}
moments as (
    select
        user_id,
        as_of,
        unnest(lifelong) as milestone
    from {{ profiles }}
),

firsts as (
    select
        user_id,
        milestone.key as name,
        milestone.ts as ts,
        min(as_of) as as_of
    from moments
    group by user_id, milestone.key, milestone.ts
),

milestones as (
    select
        user_id,
        as_of,
        ts,
        {
            'key_ids': [{{ spec.milestone.key_id }}],
            'value_ids': [{{ category_id('name', spec.milestone, spec.unk_id) }}],
            'positions': [0::utinyint],
            'text': null::varchar,
            'static': false
        } as item
    from firsts
)
{%- endmacro %}
