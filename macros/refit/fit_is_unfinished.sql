{% macro fit_is_unfinished() -%} {{ return(execute and run_query(unfinished_fit()).rows | length > 0) }} {%- endmacro %}
