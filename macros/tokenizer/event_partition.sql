{#- An event's day and bucket of users: the partition in which a build looks for changes. -#}
{% macro event_day(ts) -%} {{ ts }}::date {%- endmacro %}

{% macro event_bucket(user_id) -%} {{ content_hash([user_id]) }} % 32 {%- endmacro %}

{#- The complete content of an event, in columns that can be hashed; the order of its fields does not matter. -#}
{% macro event_content() -%}
    {{ return(['user_id', 'ts', 'event_id', 'source', 'fields is null', map_hash('fields')]) }}
{%- endmacro %}

{#- A hash that tells events of one user and moment apart when they have no event_id. -#}
{% macro content_identity() -%}
    case when event_id is null then {{ content_hash(['source', 'fields is null', map_hash('fields')]) }} end
{%- endmacro %}

{#- The columns that identify an event; two rows that agree in them are one event, delivered twice. -#}
{% macro event_identity() -%}
    {{ return(['user_id', 'ts', 'event_id', content_identity()]) }}
{%- endmacro %}

{#-
    A clause of a query that keeps one row of each event: the first by content, preferring rows with a source and with
    fields. Rows without a user or a moment cannot be identified, so all of them stay.
-#}
{% macro first_of_each_event() -%}
qualify user_id is null or ts is null or row_number() over (
        partition by user_id, ts, event_id, {{ content_identity() }}
        order by trim(source) = '', fields is null, source, fields
    ) = 1
{%- endmacro %}
