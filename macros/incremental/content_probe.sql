{#- If another engine version gives another value, stored content hashes cannot be compared. -#}
{% macro content_probe() -%} {{ content_hash(["'pragma'", map_hash("map {'a': 'b'}")]) }} {%- endmacro %}
