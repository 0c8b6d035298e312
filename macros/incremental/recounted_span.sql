{#- With literals, a reader can skip row groups by their statistics. -#}
{% macro recounted_span(days) -%}
    {%- if not execute or load_relation(days) is none -%} {{ return([none, none]) }} {%- endif -%}
    {{ return(run_query('select min(day)::varchar, max(day)::varchar from ' ~ days).rows[0] | list) }}
{%- endmacro %}
