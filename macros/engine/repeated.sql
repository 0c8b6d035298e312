{% macro repeated(value, times) -%}
    {{ return(adapter.dispatch('repeated', 'pragma')(value, times)) }}
{%- endmacro %}

{% macro duckdb__repeated(value, times) -%}
    repeat([{{ value }}], {{ times }})
{%- endmacro %}
