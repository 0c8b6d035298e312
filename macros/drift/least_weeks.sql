{% macro least_weeks() -%} 8 {%- endmacro %}
