{% macro feature_windows() -%}
    {{ return(var('feature_windows') | map('int') | sort | list) }}
{%- endmacro %}
