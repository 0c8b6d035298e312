{% macro create_embed_functions() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set current = current_model() -%}
    {%- set width = current.size if current else none %}
    {{ create_embed(width) }};
    {{ create_embed_at(width) }};
    {{ create_embed_records(width) }};
    {{ create_forecast() }};
    {{ create_forecast_at() }};
    {{ create_embed_with(width if current and _models_are_as_wide(width) else none) }}
    {%- endif -%}
{%- endmacro %}

{#- Whether all registered models have vectors of this width, so that `embed_with` has one type. -#}
{% macro _models_are_as_wide(width) -%}
    {{ return(run_query(
        "select bool_and((content ->> 'embedding_size')::integer = " ~ width ~ ') from read_text('
        ~ beside_warehouse('bundles/*/manifest.json') ~ ')'
    ).rows[0][0]) }}
{%- endmacro %}
