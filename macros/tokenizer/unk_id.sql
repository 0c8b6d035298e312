{#- The token id of [UNK], a value that the fit does not know; docs/glossary.md lists the special tokens. -#}
{% macro unk_id() -%} 2 {%- endmacro %}
