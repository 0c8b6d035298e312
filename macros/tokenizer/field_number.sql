{% macro field_number(field, place) -%}
    {{ return(adapter.dispatch('field_number', 'pragma')(field, place)) }}
{%- endmacro %}

{% macro default__field_number(field, place) -%}
    {{ parse_number('x' ~ field.index) }}
{%- endmacro %}

{% macro online__field_number(field, place) -%}
    numbers[{{ place }}]
{%- endmacro %}
