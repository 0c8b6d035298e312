{#- The expression does not need the functions that people call. -#}
{% macro embed_user_at(uid, moment) -%} {{ embed_user(uid, none, moment=moment) }} {%- endmacro %}
