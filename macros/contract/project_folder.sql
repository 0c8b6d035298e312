{% macro project_folder() -%}
    {{ return(invocation_args_dict.project_dir | string | replace("'", "''")) }}
{%- endmacro %}
