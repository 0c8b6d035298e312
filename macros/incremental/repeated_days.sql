{% macro repeated_days(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, false]) }} {%- endif -%}
    {{ return(first_and_last_day('from ' ~ partitions ~ ' where repeats > 0')) }}
{%- endmacro %}
