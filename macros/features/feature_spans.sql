{% macro feature_spans() -%}
    {{ return([0] + feature_windows()) }}
{%- endmacro %}
