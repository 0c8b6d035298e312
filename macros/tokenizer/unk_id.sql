{#- docs/glossary.md lists the special tokens. -#}
{% macro unk_id() -%} 2 {%- endmacro %}
