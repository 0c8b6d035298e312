{% macro repeat_value(value, times) -%}
    {{ return(adapter.dispatch('repeat_value', 'pragma')(value, times)) }}
{%- endmacro %}

{% macro duckdb__repeat_value(value, times) -%}
    repeat([{{ value }}], {{ times }})
{%- endmacro %}
