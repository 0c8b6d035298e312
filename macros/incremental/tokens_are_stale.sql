{#-
    Tokens are stale if there are none, if they are of another tokenizer, if the fit is unfinished, or if another version
    of the engine gives other hashes.
-#}
{% macro tokens_are_stale() -%}
    {%- set ingested, event_tokens = tokens_relation('_ingested'), tokens_relation('event_tokens') -%}
    {%- set tokenizer = fit_relation('tokenizer') -%}
    {%- if not execute or flags.FULL_REFRESH or not load_relation(tokenizer)
        or not load_relation(ingested) or not has_column(event_tokens, 'tokenizer') -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(not run_query(
        'select 1 from ' ~ tokenizer ~ ' where ' ~ tokenizer_id('tokenizer_hash') ~ ' = (select tokenizer from '
        ~ event_tokens ~ ' limit 1) and not exists (select 1 from ' ~ ingested ~ ' where probe <> ' ~ content_probe() ~ ')'
        ~ ' and not exists (' ~ unfinished_fit() ~ ')'
    ).rows) }}
{%- endmacro %}
