{% macro week_of(day) -%} date_trunc('week', {{ day }})::date {%- endmacro %}
