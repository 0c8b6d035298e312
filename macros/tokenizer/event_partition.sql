{#- The day and the bucket of users that an event lies in: what a build looks for changes by. -#}
{% macro event_day(ts) -%} {{ ts }}::date {%- endmacro %}

{% macro event_bucket(user_id) -%} {{ content_hash([user_id]) }} % 32 {%- endmacro %}

{#- All that an event says, in columns that can be hashed; in what order its fields stand says nothing. -#}
{% macro event_content() -%}
    {{ return(['user_id', 'ts', 'event_id', 'source', 'fields is null', map_hash('fields')]) }}
{%- endmacro %}

{#- What tells events of one user and moment apart where there is no event_id. -#}
{% macro content_identity() -%}
    case when event_id is null then {{ content_hash(['source', 'fields is null', map_hash('fields')]) }} end
{%- endmacro %}

{#- What one event has of its own; two rows that are alike in it are one event, delivered twice. -#}
{% macro event_identity() -%}
    {{ return(['user_id', 'ts', 'event_id', content_identity()]) }}
{%- endmacro %}

{#-
    Of events delivered more than once the first by content, as a clause of their query: of a named stream and with
    fields if one is. Rows without a user or a moment are nobody's event, and all stay.
-#}
{% macro first_of_each_event() -%}
qualify user_id is null or ts is null or row_number() over (
        partition by user_id, ts, event_id, {{ content_identity() }}
        order by trim(source) = '', fields is null, source, fields
    ) = 1
{%- endmacro %}
