{#- The day and the bucket of users that an event lies in: what a build looks for changes by. -#}
{% macro event_day(ts) -%} {{ ts }}::date {%- endmacro %}

{% macro event_bucket(user_id) -%} {{ content_hash([user_id]) }} % 64 {%- endmacro %}
