{% macro event_day(ts) -%} {{ ts }}::date {%- endmacro %}
