{% macro percent(share) -%}
    floor(1000 * {{ share }}) / 10 || '%'
{%- endmacro %}
