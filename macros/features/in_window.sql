{#- `age` is in microseconds, at least 1. -#}
{% macro in_window(days) -%}
    {%- if days %} filter (where age <= {{ days * 86400000000 }}){% endif -%}
{%- endmacro %}
