{#-
    Event and profile tokens -> one row a user of flat arrays, events in time order. Ties in time are
    ordered by event_id, else by the tokens themselves, so every build gives the same arrays.
-#}
{% macro collect_user_tokens(event_tokens, profile_tokens, tokenizer_hash) -%}
with

histories as (
    select
        user_id,
        list(
            {
                'ts': ts, 'hour': hour, 'weekday': weekday, 'monthday': monthday,
                'key_ids': key_ids, 'value_ids': value_ids, 'positions': positions
            }
            order by ts, event_id nulls first, value_ids, key_ids, positions
        ) as events
    from {{ event_tokens }}
    group by user_id
),

profiles as (
    select
        user_id,
        list(
            {
                'as_of': as_of, 'ts': ts,
                'key_ids': key_ids, 'value_ids': value_ids, 'positions': positions
            }
            order by as_of, ts nulls first, key_ids, value_ids
        ) as items
    from {{ profile_tokens }}
    group by user_id
),

final as (
    select
        coalesce(histories.user_id, profiles.user_id) as user_id,
        list_transform(events, lambda e: e.ts) as ts,
        list_transform(events, lambda e: e.hour) as hour,
        list_transform(events, lambda e: e.weekday) as weekday,
        list_transform(events, lambda e: e.monthday) as monthday,
        list_transform(events, lambda e: len(e.key_ids))::utinyint[] as event_lengths,
        flatten(list_transform(events, lambda e: e.key_ids)) as key_ids,
        flatten(list_transform(events, lambda e: e.value_ids)) as value_ids,
        flatten(list_transform(events, lambda e: e.positions)) as positions,
        list_transform(items, lambda i: i.as_of) as profile_as_of,
        list_transform(items, lambda i: i.ts) as profile_ts,
        list_transform(items, lambda i: len(i.key_ids))::utinyint[] as profile_lengths,
        flatten(list_transform(items, lambda i: i.key_ids)) as profile_key_ids,
        flatten(list_transform(items, lambda i: i.value_ids)) as profile_value_ids,
        flatten(list_transform(items, lambda i: i.positions)) as profile_positions,
        {{ literal(tokenizer_hash) }} as tokenizer_hash
    from histories
    full outer join profiles on histories.user_id = profiles.user_id
)

select * from final
{%- endmacro %}
