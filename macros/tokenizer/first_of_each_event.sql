{#- Rows without a user or a moment cannot be identified, so all of them stay. -#}
{% macro first_of_each_event() -%}
qualify user_id is null or ts is null or row_number() over (
        partition by user_id, ts, event_id, {{ content_identity() }}
        order by trim(source) = '', fields is null, source, fields
    ) = 1
{%- endmacro %}
