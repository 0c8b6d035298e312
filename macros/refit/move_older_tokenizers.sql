{#-
    An older version copied the fit into `archive_<hash>` before a refit, marked the copy `unfinished` until the refit was
    done, and kept a candidate's tokens in the schema `tokens_next`.
-#}
{% macro move_older_tokenizers() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set archives = run_query(
            "select schema_name from duckdb_tables() where database_name = current_database()"
            ~ " and regexp_full_match(schema_name, 'archive_[0-9a-f]{12}') and table_name = 'tokenizer'"
        ).columns[0].values() | list -%}
        {%- for schema in archives %}
            {{ _move_archive(schema, tables_in([schema]) | map('last') | list) }}
        {%- endfor %}
        {%- set candidate = tables_in(['fit_next', 'tokens_next']) -%}
        {%- if ['fit_next', 'unfinished'] in candidate %}
            drop schema if exists tokens_next cascade;
        {%- elif ['tokens_next', 'event_tokens'] in candidate %}
            {{ _move_candidate() }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- An unfinished refit was killed: the fit becomes as it was before. -#}
{% macro _move_archive(schema, tables) -%}
    {%- set place = 'fit' if 'unfinished' in tables else 'fit' ~ schema[7:] -%}
    begin;
    create schema if not exists {{ place }};
    {%- for table in tables if table != 'unfinished' %}
    create or replace table {{ place }}.{{ adapter.quote(table) }} as from {{ schema }}.{{ adapter.quote(table) }};
    {%- endfor %}
    drop schema {{ schema }} cascade;
    commit;
{%- endmacro %}

{% macro _move_candidate() -%}
    {%- set event_tokens = api.Relation.create(database=target.database, schema='tokens_next', identifier='event_tokens') -%}
    {%- set view = run_query(
        "select sql from duckdb_views() where database_name = current_database() and schema_name = 'tokens_next'"
        ~ " and view_name = 'user_tokens'"
    ).rows[0][0] -%}
    begin;
    create or replace table {{ tokens_relation('next_event_tokens') }} as
    select
        *
        {%- if not has_column(event_tokens, 'tokenizer') -%}
        , (select {{ tokenizer_id('tokenizer_hash') }} from fit_next.tokenizer) as tokenizer
        {%- endif %}
    from {{ event_tokens }};
    create or replace table {{ tokens_relation('next_profile_tokens') }} as from tokens_next.profile_tokens;
    {{ view | replace('tokens_next.', 'tokens.next_') }}
    drop schema tokens_next cascade;
    commit;
{%- endmacro %}
