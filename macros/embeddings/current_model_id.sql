{% macro current_model_id() -%}
    {%- set current = current_model() -%}
    {{ return(literal(current.id if current else '')) }}
{%- endmacro %}
