{% macro fit_users(user_id, users) -%}
    {%- if users == 'all' -%} true {%- else -%} {{ split_of(user_id) }} = 'train' {%- endif -%}
{%- endmacro %}
