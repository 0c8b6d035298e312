{#- The folder of the project that is built, escaped for use inside a string literal. -#}
{% macro project_folder() -%}
    {{ return(invocation_args_dict.project_dir | string | replace("'", "''")) }}
{%- endmacro %}
