{#- Other rules make another tokenizer. -#}
{% macro number_rule() -%} 1 {%- endmacro %}
