{#- An error of the commands has the same form. -#}
{% macro refuse(what, next_step) -%}
    {%- do exceptions.raise_compiler_error('PragmaError: ' ~ what ~ '\nnext: ' ~ next_step) -%}
{%- endmacro %}
