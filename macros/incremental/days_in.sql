{% macro days_in(query, source) -%}
    {%- if not execute or load_relation(source) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(first_and_last_day(query)) }}
{%- endmacro %}
