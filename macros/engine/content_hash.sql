{% macro content_hash(columns) -%}
    {{ return(adapter.dispatch('content_hash', 'pragma')(columns)) }}
{%- endmacro %}

{% macro duckdb__content_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}
