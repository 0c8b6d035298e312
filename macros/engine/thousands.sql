{% macro thousands(number) -%}
    {{ return(adapter.dispatch('thousands', 'pragma')(number)) }}
{%- endmacro %}

{% macro duckdb__thousands(number) -%}
    format('{:,}', {{ number }})
{%- endmacro %}
