{#- A candidate's tokens stand in the schema of the tokens, where a rename puts them into force: DuckDB moves no table. -#}
{% macro generate_alias_name(custom_alias_name, node) -%}
    {%- set name = custom_alias_name or node.name -%}
    {{- 'next_' ~ name if var('candidate', false) and node.resource_type == 'model' and node.fqn[1] == 'tokens' else name -}}
{%- endmacro %}
