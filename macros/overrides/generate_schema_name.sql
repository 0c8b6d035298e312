{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = custom_schema_name or target.schema -%}
    {{- schema ~ '_next' if var('candidate', false) and schema in ('fit', 'tokens') else schema -}}
{%- endmacro %}
