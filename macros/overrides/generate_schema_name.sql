{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = custom_schema_name or target.schema -%}
    {{- schema ~ '_next' if var('candidate', false) and schema in ('fit', 'tokens') else schema -}}
{%- endmacro %}

{#- Whether this run makes a candidate, beside the fit and the tokens that serve the current model. -#}
{% macro is_candidate() -%} {{ return(var('candidate', false)) }} {%- endmacro %}
