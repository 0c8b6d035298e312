{% macro in_window_before(days) -%}
    filter (where age > {{ days * 86400000000 }} and age <= {{ 2 * days * 86400000000 }})
{%- endmacro %}
