{% macro contract_paths(pattern) -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set found = run_query('select file from glob(' ~ contract_pattern(pattern) ~ ') order by file') -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}
