{#-
    What a refit leaves behind. Before it, the tables of `fit` are copied into the schema
    `archive_<first 12 of tokenizer_hash>`, and those of `tokens` too where a registered model is of that
    hash. After it, the archive stays as long as such a model does. A refit that fails or is killed half
    way is undone from it, so that bins, vocabulary and BPE always belong together.
-#}

{#-
    On run start: undo a refit that was killed before its last table, `tokenizer`, was made; then, before a
    refit, put the old tables away.
-#}
{% macro before_refit() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and load_relation(_fit_relation('tokenizer')) is not none -%}
        {%- set present = _tokenizer_hash() -%}
        {%- for schema in _archives('unfinished') -%}
            {%- if schema == _archive_name(present) -%}
                {{ _restore(schema) }}
            {%- endif -%}
            drop table {{ schema }}.unfinished;
        {%- endfor -%}
        {%- if flags.FULL_REFRESH and 'model.pragma.tokenizer' in selected_resources -%}
            {{ _archive(present) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- On run end: keep the archive, undo the refit, or throw away what no registered model is of. -#}
{% macro after_refit(results) -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set unfinished = _archives('unfinished') -%}
        {%- set refitted = results | selectattr('node.unique_id', 'equalto', 'model.pragma.tokenizer')
            | selectattr('status', 'equalto', 'success') | list -%}
        {%- for schema in unfinished -%}
            {%- if not refitted -%} {{ _restore(schema) }} {%- endif -%}
            drop table {{ schema }}.unfinished;
        {%- endfor -%}
        {%- set needed = _registered_hashes() -%}
        {%- set present = _tokenizer_hash() if refitted or not unfinished else '' -%}
        {%- for schema in _archives('tokenizer') -%}
            {%- set hash = schema[8:] -%}
            {%- if hash not in needed or hash == present[:12] or (schema in unfinished and not refitted) -%}
                drop schema {{ schema }} cascade;
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro _archive_name(hash) -%} {{ return('archive_' ~ hash[:12]) }} {%- endmacro %}

{% macro _archive(hash) -%}
    {%- set schema = _archive_name(hash) -%}
    {%- set schemas = ['fit', 'tokens'] if hash[:12] in _registered_hashes() else ['fit'] -%}
    begin;
    drop schema if exists {{ schema }} cascade;
    create schema {{ schema }};
    {%- for source, table in _tables(schemas) %}
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

{#- The hash in force; empty before the first fit. -#}
{% macro _tokenizer_hash() -%}
    {%- set tokenizer = _fit_relation('tokenizer') -%}
    {%- if load_relation(tokenizer) is none -%} {{ return('') }} {%- endif -%}
    {{ return(run_query('select tokenizer_hash from ' ~ tokenizer).rows[0][0]) }}
{%- endmacro %}

{#- Pairs of schema and table. -#}
{% macro _tables(schemas) -%}
    {{ return(run_query(
        'select schema_name, table_name from duckdb_tables() where database_name = current_database() and schema_name in ('
        ~ (schemas | map('tojson') | join(', ')) | replace('"', "'") ~ ') order by all'
    ).rows | map('list') | list) }}
{%- endmacro %}

{#- The archives that hold this table. -#}
{% macro _archives(table) -%}
    {{ return(run_query(
        "select schema_name from duckdb_tables() where database_name = current_database() and schema_name ^@ 'archive_'"
        ~ ' and table_name = ' ~ literal(table) ~ ' order by all'
    ).columns[0].values() | list) }}
{%- endmacro %}

{#- The first 12 digits of the hashes that registered bundles were trained on. -#}
{% macro _registered_hashes() -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0] -%}
    {%- set manifests = modules.re.sub('[^/]*$', 'bundles/*/manifest.json', path or '', count=1) -%}
    {%- set files = run_query('select file from glob(' ~ literal(manifests) ~ ')').columns[0].values() | list -%}
    {%- set hashes = [] -%}
    {%- for file in files -%}
        {%- do hashes.append(run_query(
            "select content ->> 'tokenizer_hash' from read_text(" ~ literal(file) ~ ')'
        ).rows[0][0][:12]) -%}
    {%- endfor -%}
    {{ return(hashes) }}
{%- endmacro %}
