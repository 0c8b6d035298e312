{% macro literals(texts) -%}
    {%- for text in texts %}{{ literal(text) }}{% if not loop.last %}, {% endif %}{% endfor -%}
{%- endmacro %}
