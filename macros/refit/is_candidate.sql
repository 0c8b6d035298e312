{% macro is_candidate() -%} {{ return(var('candidate', false)) }} {%- endmacro %}
