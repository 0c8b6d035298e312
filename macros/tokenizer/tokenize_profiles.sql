{#-
    Attributes that are declared static hold at all moments: those of the first snapshot are repeated as of the year 1.
-#}
{% macro tokenize_profiles(spec, profiles, texts) -%}
with
{{ texts_once(texts) }}
valued as (
    select
        {{- field_values(spec, 'attributes') }}
        user_id,
        as_of
    from {{ profiles }}
),

parsed as (
    select
        {{- field_numbers(spec) }}
        valued.*
    from {{ rows_with_numbers(spec, 'valued') }}
),

looked_up as (
    select
        {{- field_ids(spec) }}
        user_id,
        as_of,
        row_number() over (partition by user_id order by as_of) = 1 as is_first
    from parsed
),

attributes as (
    select
        user_id,
        as_of,
        is_first,
        unnest([
            {%- for field in spec.fields %}
            {
                'key_ids': {{ field_part(field, 'key_ids') }},
                'value_ids': {{ field_part(field, 'value_ids') }},
                'positions': {{ field_part(field, 'positions') }},
                'text': {% if field.kind == 'text_embed' %}x{{ loop.index }}{% else %}null::varchar{% endif %},
                'static': {{ field.static | string | lower }}
            },
            {%- endfor %}
            {
                'key_ids': null::integer[], 'value_ids': null::integer[], 'positions': null::utinyint[],
                'text': null::varchar, 'static': false
            }
        ]) as item
    from looked_up
    {{- text_joins(spec, joined_texts(texts)) }}
),

capped as (
    select
        *,
        sum(len(item.key_ids)) over (
            partition by user_id, as_of
            order by item.key_ids, item.value_ids
            rows between unbounded preceding and current row
        ) as tokens_upto
    from attributes
    where item.key_ids is not null
),

kept as (
    select * from capped where tokens_upto <= {{ spec.max_profile_tokens }}
),

{{ milestone_items(spec, profiles) }},

items as (
    select user_id, as_of, null::timestamp as ts, item from kept
    union all
    select user_id, timestamp '0001-01-01', null::timestamp, item from kept where is_first and item.static
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
        item.positions as positions,
        item.text as text
    from items
)

select * from final
{%- endmacro %}
