{#- The rows that the tokenizer may see: training users, strictly before `fit_until`. -#}
{% macro in_fit_population(user_id, ts) -%}
    {{ ts }} < {{ literal(var('fit_until')) }}::timestamp
    and {{ split_of(user_id) }} = 'train'
{%- endmacro %}

{#- The split of a user under this project's shares. -#}
{% macro split_of(user_id) -%}
    {{ user_split(user_id, var('validation_share'), var('test_share')) }}
{%- endmacro %}

{#- That rule in words, for the manifest of the shards. -#}
{% macro split_rule() -%}
    first 8 hex digits of md5(user_id) mod 10000: test below {{ (var('test_share') * 10000) | round | int }},
    {{- ' ' }}validation below {{ ((var('test_share') + var('validation_share')) * 10000) | round | int }}, else train
{%- endmacro %}
