{% macro begin_fit() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and 'model.pragma.tokenizer' in selected_resources -%}
    {%- if load_relation(fit_relation('tokenizer')) is none %}
    create schema if not exists fit;
    create or replace table {{ fit_relation('unfinished') }} as select now() as since;
    {%- elif flags.FULL_REFRESH and not fit_is_unfinished() -%}
        {%- do log('note: the tokenizer stays as it is under --full-refresh; a new one: pragma build --refit', info=true) -%}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}
