{#-
    The SQL functions that people call. The UDF stands outside the subquery, so that it runs once for
    each user asked for, also under LIMIT and filters; the inner names start with `__`, so that
    `embed(user_id)` does not bind to a column of the token table.
-#}
{% macro create_embed(user_tokens) -%}
create or replace macro main.embed(uid) as embed_history({{ _history_of(user_tokens, 'null::timestamp') }})
{%- endmacro %}

{% macro create_embed_at(user_tokens) -%}
create or replace macro main.embed_at(uid, moment) as embed_history({{ _history_of(user_tokens, 'moment::timestamp') }})
{%- endmacro %}

{#- By another model than the current one: embed_with('1f0c...', user_id). -#}
{% macro create_embed_with(user_tokens) -%}
create or replace macro main.embed_with(model, uid) as embed_history_with(model, {{ _history_of(user_tokens, 'null::timestamp') }})
{%- endmacro %}

{#- The struct that embed_history reads. -#}
{% macro _history_of(user_tokens, moment) -%}
{%- set columns = [
    'user_id', 'ts', 'hour', 'weekday', 'monthday', 'event_lengths', 'key_ids', 'value_ids', 'positions', 'texts',
    'profile_as_of', 'profile_ts', 'profile_lengths',
    'profile_key_ids', 'profile_value_ids', 'profile_positions', 'profile_texts', 'tokenizer_hash',
] -%}
(
    select {
        {%- for column in columns %}
        '{{ column }}': __tokens.__{{ column }},
        {%- endfor %}
        'moment': {{ moment }}
    }
    from (
        select {% for column in columns %}{{ column }} as __{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}
        from {{ user_tokens }}
    ) as __tokens
    where __tokens.__user_id = uid
)
{%- endmacro %}
