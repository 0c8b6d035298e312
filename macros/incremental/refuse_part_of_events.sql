{% macro refuse_part_of_events(event_tokens) -%}
    {%- if execute and tokens_are_stale() -%}
        {%- set ready = load_relation(tokens_relation('new_events')) -%}
        {%- if ready is not none and ready.is_table -%}
            {{ refuse(
                'tokens.event_tokens has to be made again, but tokens.new_events holds only what arrived last',
                'pragma build --select +event_tokens' ~ (' --full-refresh' if flags.FULL_REFRESH)
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
