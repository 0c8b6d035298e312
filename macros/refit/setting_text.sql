{% macro setting_text(value) -%}
    {{ return(value | string if value is string or value is number or value is not iterable else tojson(value)) }}
{%- endmacro %}
