{#- The token of a value that the fit does not know, [UNK]; the special tokens stand in docs/glossary.md. -#}
{% macro unk_id() -%} 2 {%- endmacro %}
