{% macro after_refit(results) -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') -%}
        {%- set unfinished = archives('unfinished') -%}
        {%- set refitted = fit_succeeded(results) -%}
        {%- for schema in unfinished -%}
            {%- if not refitted -%} {{ restore_fit(schema) }} {%- endif -%}
            drop table {{ schema }}.unfinished;
        {%- endfor -%}
        {%- set needed = _registered_hashes() -%}
        {%- set present = present_tokenizer_hash() if refitted or not unfinished else '' -%}
        {%- for schema in archives('tokenizer') -%}
            {%- set hash = schema[8:] -%}
            {%- if hash not in needed or hash == present[:12] or (schema in unfinished and not refitted) -%}
                drop schema {{ schema }} cascade;
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- The first 12 digits of the hashes that registered bundles were trained on. -#}
{% macro _registered_hashes() -%}
    {%- set files = run_query(
        'select file from glob(' ~ beside_warehouse('bundles/*/manifest.json') ~ ')'
    ).columns[0].values() | list -%}
    {%- set hashes = [] -%}
    {%- for file in files -%}
        {%- do hashes.append(run_query(
            "select content ->> 'tokenizer_hash' from read_text(" ~ file_pattern(file) ~ ')'
        ).rows[0][0][:12]) -%}
    {%- endfor -%}
    {{ return(hashes) }}
{%- endmacro %}
