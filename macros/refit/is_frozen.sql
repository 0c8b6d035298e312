{% macro is_frozen() -%}
    {{ return(not is_candidate() and load_relation(fit_relation('tokenizer')) is not none and not fit_is_unfinished()) }}
{%- endmacro %}
