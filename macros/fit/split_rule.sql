{% macro split_rule() -%}
    first 8 hex digits of md5(user_id) mod 10000: test below {{ (var('test_share') * 10000) | round | int }},
    {{- ' ' }}validation below {{ ((var('test_share') + var('validation_share')) * 10000) | round | int }}, else train
{%- endmacro %}
