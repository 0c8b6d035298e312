{% macro event_bucket(user_id) -%} {{ content_hash([user_id]) }} % 32 {%- endmacro %}
