{#- The name of the folder is escaped, so that only `pattern` matches. -#}
{% macro contract_pattern(pattern) -%}
    {{ return(file_pattern(var('contract_dir'), '/' ~ pattern)) }}
{%- endmacro %}
