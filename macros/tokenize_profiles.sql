{#-
    Contract profiles -> one row a user, snapshot and profile item: an attribute (ts null) or a
    milestone (key `milestone`, the milestone's name as the value, and its moment). At most
    `max_profile_tokens` tokens a snapshot are kept, attributes first.
-#}
{% macro tokenize_profiles(spec, profiles, vocabulary) -%}
with

texts as materialized (
    {{ encoded_texts(spec, profiles, 'attributes') }}
),

valued as (
    select
        user_id,
        {{- field_values(spec, 'attributes') }}
        as_of
    from {{ profiles }}
),

looked_up as (
    select
        valued.user_id,
        {{- field_ids(spec) }}
        valued.as_of
    from valued
    {{- field_joins(spec, vocabulary, 'texts') }}
),

attributes as (
    select
        user_id,
        as_of,
        null::timestamp as ts,
        unnest([
            {%- for field in spec.fields %}
            {
                'key_ids': {{ repeated_key(field, 'v' ~ loop.index) }},
                'value_ids': v{{ loop.index }},
                'positions': {{ piece_positions(field, 'v' ~ loop.index) }}
            },
            {%- endfor %}
            {'key_ids': null::integer[], 'value_ids': null::integer[], 'positions': null::integer[]}
        ]) as item
    from looked_up
),

moments as (
    select user_id, as_of, unnest(lifelong) as milestone from {{ profiles }}
),

milestones as (
    select
        moments.user_id,
        moments.as_of,
        moments.milestone.ts as ts,
        {
            'key_ids': [{{ spec.milestone_key_id }}],
            'value_ids': [coalesce(f0.token_id, {{ spec.unk_id }})],
            'positions': [0]
        } as item
    from moments
    left join {{ vocabulary }} as f0
        on f0.kind = 'category' and f0.key = 'milestone' and f0.value = moments.milestone.key
),

items as (
    select user_id, as_of, ts, item from attributes where item.key_ids is not null
    union all
    select user_id, as_of, ts, item from milestones
),

final as (
    select
        user_id,
        as_of,
        ts,
        item.key_ids as key_ids,
        item.value_ids as value_ids,
        item.positions::utinyint[] as positions
    from items
    qualify
        sum(len(item.key_ids)) over (
            partition by user_id, as_of
            order by ts nulls first, item.key_ids, item.value_ids
            rows between unbounded preceding and current row
        ) <= {{ spec.max_profile_tokens }}
)

select * from final
{%- endmacro %}
