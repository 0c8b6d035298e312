{% macro field_numbers(spec) -%}
    {%- for field in spec.fields if field.kind == 'numeric' %}
        {{ field_number(field, loop.index) }} as n{{ field.index }},
    {%- endfor %}
{%- endmacro %}
