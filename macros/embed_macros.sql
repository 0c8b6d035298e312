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

{#- Columns of `tokens.user_tokens`, in the order in which embed_history reads them. -#}
{% macro history_columns() -%}
user_id ts hour weekday monthday event_lengths key_ids value_ids positions texts profile_as_of profile_ts profile_lengths
{{- ' ' }}profile_key_ids profile_value_ids profile_positions profile_texts tokenizer_hash
{%- endmacro %}

{#- The struct that embed_history reads, of a row of user tokens and a moment. -#}
{% macro history_struct(row, moment, prefix='') -%}
{
        {%- for column in history_columns().split() %}
        '{{ column }}': {{ row }}.{{ prefix }}{{ column }},
        {%- endfor %}
        'moment': {{ moment }}
    }
{%- endmacro %}

{#- The struct of one user, looked up. -#}
{% macro _history_of(user_tokens, moment) -%}
(
    select {{ history_struct('__tokens', moment, '__') }}
    from (
        select {% for column in history_columns().split() %}{{ column }} as __{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}
        from {{ user_tokens }}
    ) as __tokens
    where __tokens.__user_id = uid
)
{%- endmacro %}
