{#- A candidate's fit has a schema of its own; its tokens have other names, see `generate_alias_name`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = custom_schema_name or target.schema -%}
    {{- schema ~ '_next' if var('candidate', false) and schema == 'fit' else schema -}}
{%- endmacro %}
