{% macro begin_fit() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and 'model.pragma.tokenizer' in selected_resources
        and load_relation(fit_relation('tokenizer')) is none -%}
    create schema if not exists fit;
    create or replace table {{ fit_relation('unfinished') }} as select now() as since;
    {%- endif -%}
{%- endmacro %}
