{#-
    The source is the first token and the fields follow in key order, so equal events are equal rows. Without an
    event_id, a hash of the content tells events of one moment apart.
-#}
{% macro tokenize_events(spec, events, texts) -%}
with
{{ texts_once(texts) }}
valued as (
    select
        {{- field_values(spec, 'fields', 'source') }}
        user_id,
        ts,
        event_id,
        {{ content_identity() }} as content_hash,
        source
    from {{ events }}
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
        ts,
        event_id,
        content_hash,
        source,
        {{ category_id('source', spec.source, spec.unk_id) }} as v0
    from parsed
),

joined as (
    select
        user_id,
        ts,
        event_id,
        content_hash,
        source,
        {{ event_array(spec, 'key_ids') }} as key_ids,
        {{ event_array(spec, 'value_ids') }} as value_ids,
        {{ event_array(spec, 'positions') }} as positions,
        {{ _embedded_texts(spec) }} as texts
    from looked_up
    {{- text_joins(spec, joined_texts(texts)) }}
),

final as (
    select
        user_id,
        ts,
        event_id,
        content_hash,
        source,
        {{ _capped('key_ids', spec.max_event_tokens) }} as key_ids,
        {{ _capped('value_ids', spec.max_event_tokens) }} as value_ids,
        {{ _capped('positions', spec.max_event_tokens) }} as positions,
        {{ _kept_texts(spec) }} as texts,
        greatest(len(key_ids) - {{ spec.max_event_tokens }}, 0)::integer as tokens_cut,
        {{ calendar('ts', spec.calendar_tz) }}
    from joined
)

select * from final
{%- endmacro %}

{#- The strings of the text_embed keys in the order of their tokens; null if the dataset has no such keys. -#}
{% macro _embedded_texts(spec) -%}
    {%- set embedded = spec.fields | selectattr('kind', 'equalto', 'text_embed') | list -%}
    {%- if embedded -%}
    list_filter([{% for field in embedded %}x{{ field.index }}{% if not loop.last %}, {% endif %}{% endfor %}], lambda text: text is not null)
    {%- else -%} null::varchar[]
    {%- endif -%}
{%- endmacro %}

{#- The strings whose tokens are kept after the cut to `max_event_tokens`. -#}
{% macro _kept_texts(spec) -%}
    {%- set sentinels = spec.fields | selectattr('kind', 'equalto', 'text_embed') | map(attribute='first_id') | list -%}
    {%- if sentinels -%}
    texts[1:len(list_filter({{ _capped('value_ids', spec.max_event_tokens) }}, lambda id: id in ({{ sentinels | join(', ') }})))]
    {%- else -%} texts
    {%- endif -%}
{%- endmacro %}

{% macro _capped(tokens, most) -%}
    case when len({{ tokens }}) > {{ most }} then {{ tokens }}[1:{{ most }}] else {{ tokens }} end
{%- endmacro %}
