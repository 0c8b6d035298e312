{#-
    Ties in time are ordered by event_id, then by the tokens themselves, so every build gives the same arrays. One
    aggregate collects events and profile items, so that a filter on the user reaches both tables.
-#}
{% macro collect_user_tokens(event_tokens, profile_tokens, tokenizer_hash) -%}
with

collected as (
    select
        user_id,
        {
            'ts': ts, 'event_id': event_id, 'value_ids': value_ids, 'key_ids': key_ids, 'positions': positions,
            'hour': hour, 'weekday': weekday, 'monthday': monthday, 'texts': texts
        } as event,
        null as item
    from {{ event_tokens }}
    union all
    select
        user_id,
        null as event,
        {
            'is_milestone': ts is not null, 'ts': ts, 'as_of': as_of,
            'key_ids': key_ids, 'value_ids': value_ids, 'positions': positions, 'text': text
        } as item
    from {{ profile_tokens }}
),

listed as (
    select
        user_id,
        coalesce(list(
            event
            order by event.ts, event.event_id nulls first, event.value_ids, event.key_ids, event.positions,
                event.texts
        ) filter (where event is not null), []) as events,
        coalesce(list(
            item order by item.is_milestone, item.ts, item.as_of, item.key_ids, item.value_ids
        ) filter (where item is not null), []) as items
    from collected
    group by user_id
),

final as (
    select
        user_id,
        list_transform(events, lambda e: e.ts) as ts,
        list_transform(events, lambda e: e.hour) as hour,
        list_transform(events, lambda e: e.weekday) as weekday,
        list_transform(events, lambda e: e.monthday) as monthday,
        list_transform(events, lambda e: len(e.key_ids))::utinyint[] as event_lengths,
        flatten(list_transform(events, lambda e: e.key_ids)) as key_ids,
        flatten(list_transform(events, lambda e: e.value_ids)) as value_ids,
        flatten(list_transform(events, lambda e: e.positions)) as positions,
        flatten(list_transform(events, lambda e: e.texts)) as texts,
        list_transform(items, lambda i: i.as_of) as profile_as_of,
        list_transform(items, lambda i: i.ts) as profile_ts,
        list_transform(items, lambda i: len(i.key_ids))::utinyint[] as profile_lengths,
        flatten(list_transform(items, lambda i: i.key_ids)) as profile_key_ids,
        flatten(list_transform(items, lambda i: i.value_ids)) as profile_value_ids,
        flatten(list_transform(items, lambda i: i.positions)) as profile_positions,
        list_transform(items, lambda i: i.text) as profile_texts,
        {{ literal(tokenizer_hash) }} as tokenizer_hash
    from listed
)

select * from final
{%- endmacro %}
