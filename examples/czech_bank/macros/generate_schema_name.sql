{% macro generate_schema_name(custom_schema_name, node) -%}
    {{- pragma.generate_schema_name(custom_schema_name, node) -}}
{%- endmacro %}
