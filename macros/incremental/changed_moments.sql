{% macro changed_moments(before, after) -%}
    select
        user_id,
        ts,
        max(content) filter (where not is_after) as before,
        max(content) filter (where is_after) as after
    from (
        {%- for rows in (before, after) %}
        select
            user_id,
            ts,
            {{ content_hash([
                'list(' ~ content_hash(['source', 'key_ids', 'value_ids', 'positions', 'texts', 'hour', 'weekday', 'monthday'])
                ~ ' order by event_id nulls first, value_ids, key_ids, positions, texts)'
            ]) }} as content,
            {{ 'false' if loop.first else 'true' }} as is_after
        from {{ rows }} as tokens
        group by user_id, ts
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as both_times
    group by user_id, ts
    having count(*) = 1 or min(content) <> max(content)
{%- endmacro %}
