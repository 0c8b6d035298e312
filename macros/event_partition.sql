{#- The day and the bucket of users that an event lies in: what a build looks for changes by. -#}
{% macro event_day(ts) -%} {{ ts }}::date {%- endmacro %}

{% macro event_bucket(user_id) -%} {{ content_hash([user_id]) }} % 32 {%- endmacro %}

{#- What tells events of one user and moment apart where there is no event_id. -#}
{% macro content_identity() -%}
    case when event_id is null then {{ content_hash(['source', 'fields']) }} end
{%- endmacro %}

{#- Whether two rows with that as `content_hash` are one event, delivered twice. -#}
{% macro same_event(one, other) -%}
    {{ one }}.user_id = {{ other }}.user_id
    and {{ one }}.ts = {{ other }}.ts
    and {{ one }}.event_id is not distinct from {{ other }}.event_id
    and {{ one }}.content_hash is not distinct from {{ other }}.content_hash
{%- endmacro %}

{#- Of events delivered more than once the first by content, as a clause of their query. -#}
{% macro first_of_each_event() -%}
qualify row_number() over (
        partition by user_id, ts, event_id, content_hash order by source, value_ids, key_ids, positions
    ) = 1
{%- endmacro %}
