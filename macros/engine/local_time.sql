{% macro local_time(ts, zone) -%}
    {{ return(adapter.dispatch('local_time', 'pragma')(ts, zone)) }}
{%- endmacro %}

{% macro duckdb__local_time(ts, zone) -%}
    {%- if zone == 'UTC' -%} {{ ts }}
    {%- else -%} timezone({{ literal(zone) }}, timezone('UTC', {{ ts }}))
    {%- endif -%}
{%- endmacro %}
