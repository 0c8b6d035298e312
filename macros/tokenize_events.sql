{#-
    Contract events -> one row of token arrays an event. The source is the first token, the other
    fields follow in key order, so equal events are equal rows; at most `max_event_tokens` are kept.
-#}
{% macro tokenize_events(spec, events, vocabulary) -%}
with

texts as materialized (
    {{ encoded_texts(spec, events, 'fields') }}
),

valued as (
    select
        user_id,
        ts,
        event_id,
        {{- field_values(spec, 'fields') }}
        source
    from {{ events }}
),

looked_up as (
    select
        valued.user_id,
        valued.ts,
        valued.event_id,
        valued.source,
        {{- field_ids(spec) }}
        [coalesce(f0.token_id, {{ spec.unk_id }})] as v0
    from valued
    left join {{ vocabulary }} as f0
        on f0.kind = 'category' and f0.key = 'source' and f0.value = valued.source
    {{- field_joins(spec, vocabulary, 'texts') }}
),

final as (
    select
        user_id,
        ts,
        event_id,
        source,
        flatten([
            [{{ spec.source_key_id }}]
            {%- for field in spec.fields %},
            {{ repeated_key(field, 'v' ~ loop.index) }}
            {%- endfor %}
        ])[1:{{ spec.max_event_tokens }}] as key_ids,
        flatten([
            v0{% for field in spec.fields %}, v{{ loop.index }}{% endfor %}
        ])[1:{{ spec.max_event_tokens }}] as value_ids,
        flatten([
            [0]
            {%- for field in spec.fields %},
            {{ piece_positions(field, 'v' ~ loop.index) }}
            {%- endfor %}
        ])[1:{{ spec.max_event_tokens }}]::utinyint[] as positions,
        {{ calendar('ts', spec.calendar_tz) }}
    from looked_up
)

select * from final
{%- endmacro %}
