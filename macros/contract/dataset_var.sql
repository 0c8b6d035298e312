{#- `book` is the old name of the var, which still works in projects that set it. -#}
{% macro dataset_var() -%} {{ return(var('book', '') or var('dataset')) }} {%- endmacro %}
