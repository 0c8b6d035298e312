{#- The fit of an earlier tokenizer stays in the schema `fit_<first 12 of its hash>` as long as a registered model has that hash. -#}
{% macro drop_unneeded_fits() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') -%}
        {%- set kept = run_query(
            "select schema_name from duckdb_tables() where database_name = current_database()"
            ~ " and regexp_full_match(schema_name, 'fit_[0-9a-f]{12}') and table_name = 'tokenizer'"
        ).columns[0].values() -%}
        {%- set needed = _registered_hashes() if kept else [] -%}
        {%- set present = present_tokenizer_hash()[:12] if kept else '' -%}
        {%- for schema in kept if schema[4:] not in needed or schema[4:] == present -%}
            drop schema {{ schema }} cascade;
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
