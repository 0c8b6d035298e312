{#- The order of an event's fields does not matter. -#}
{% macro event_content() -%}
    {{ return(['user_id', 'ts', 'event_id', 'source', 'fields is null', map_hash('fields')]) }}
{%- endmacro %}
