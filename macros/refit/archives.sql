{#- The schemas that hold old tokenizers: how they are named, filled, restored and found. -#}

{% macro _archive_name(hash) -%} {{ return('archive_' ~ hash[:12]) }} {%- endmacro %}

{% macro _archive(hash) -%}
    {%- set schema = _archive_name(hash) -%}
    begin;
    drop schema if exists {{ schema }} cascade;
    create schema {{ schema }};
    {%- for source, table in _tables(['fit']) %}
    create table {{ schema }}.{{ adapter.quote(table) }} as from {{ source }}.{{ adapter.quote(table) }};
    {%- endfor %}
    create table {{ schema }}.unfinished as select now() as since;
    commit;
{%- endmacro %}

{% macro _restore(schema) -%}
    {%- set archived = _tables([schema]) | map('last') | list -%}
    begin;
    {%- for source, table in _tables(['fit']) if table in archived %}
    create or replace table {{ source }}.{{ adapter.quote(table) }} as from {{ schema }}.{{ adapter.quote(table) }};
    {%- endfor %}
    commit;
{%- endmacro %}

{% macro _fit_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='fit', identifier=name)) }}
{%- endmacro %}

{#- The hash of the present tokenizer; empty before the first fit. -#}
{% macro _tokenizer_hash() -%}
    {%- set tokenizer = _fit_relation('tokenizer') -%}
    {%- if load_relation(tokenizer) is none -%} {{ return('') }} {%- endif -%}
    {{ return(run_query('select tokenizer_hash from ' ~ tokenizer).rows[0][0]) }}
{%- endmacro %}

{#- The tables of some schemas, as pairs of schema and table. -#}
{% macro _tables(schemas) -%}
    {{ return(run_query(
        'select schema_name, table_name from duckdb_tables() where database_name = current_database() and schema_name in ('
        ~ (schemas | map('tojson') | join(', ')) | replace('"', "'") ~ ') order by all'
    ).rows | map('list') | list) }}
{%- endmacro %}

{#- The archives that hold a given table. -#}
{% macro _archives(table) -%}
    {{ return(run_query(
        "select schema_name from duckdb_tables() where database_name = current_database() and schema_name ^@ 'archive_'"
        ~ ' and table_name = ' ~ literal(table) ~ ' order by all'
    ).columns[0].values() | list) }}
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
