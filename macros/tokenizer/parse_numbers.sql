{% macro parse_numbers(texts) -%}
    {{ return(adapter.dispatch('parse_numbers', 'pragma')(texts)) }}
{%- endmacro %}

{% macro duckdb__parse_numbers(texts) -%}
    list_transform({{ texts }}, lambda text: {{ duckdb__parse_number('text') }})
{%- endmacro %}
