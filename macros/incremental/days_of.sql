{% macro days_of(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(first_and_last_day('from ' ~ partitions)) }}
{%- endmacro %}
