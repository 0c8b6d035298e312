{% macro split_of(user_id) -%}
    {{ user_split(user_id, var('validation_share'), var('test_share')) }}
{%- endmacro %}
