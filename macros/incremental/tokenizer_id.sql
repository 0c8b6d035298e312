{% macro tokenizer_id(hash) -%} left({{ hash }}, 12) {%- endmacro %}
