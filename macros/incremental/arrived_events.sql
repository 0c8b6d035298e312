{#- A candidate takes all events, not only new ones. -#}
{% macro arrived_events() -%} {{ return('events' if is_candidate() else 'new_events') }} {%- endmacro %}
