{#- Two rows that agree in these columns are one event, delivered twice. -#}
{% macro event_identity() -%}
    {{ return(['user_id', 'ts', 'event_id', content_identity()]) }}
{%- endmacro %}
