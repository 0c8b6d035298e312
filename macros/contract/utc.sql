{% macro utc(moment, type) -%}
    {%- if 'WITH TIME ZONE' in type -%} timezone('UTC', {{ moment }}) {%- else -%} {{ moment }}::timestamp {%- endif -%}
{%- endmacro %}
