{#-
    A frozen fit is not made again, so it would keep the names of the version that made it. Runs after
    `move_older_tokenizers`, which brings the fits of older versions to where this one looks for them.
-#}
{% macro rename_older_tables() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set names = {'schemas': 'source_keys', 'texts': 'text_tokens', 'next_texts': 'next_text_tokens'} -%}
        {%- for schema, old in _older_tables() if [schema, names[old]] not in tables_in([schema]) %}
            begin;
            {{ _rename_table(schema, old, names[old]) }}
            {%- if [schema, old] == ['fit', 'schemas'] %}
            create view fit.schemas as from fit.source_keys;
            {%- endif %}
            commit;
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- In every fit: the one in force, a candidate, those of earlier tokenizers. A column tells our tables from a user's. -#}
{% macro _older_tables() -%}
    {{ return(run_query(
        "select schema_name, table_name from duckdb_columns() where database_name = current_database()"
        ~ " and case when schema_name = 'tokens' then table_name in ('texts', 'next_texts') and column_name = 'token_ids'"
        ~ " when regexp_full_match(schema_name, 'fit(_next|_[0-9a-f]{12})?') then table_name = 'schemas' and column_name = 'always'"
        ~ " end order by all"
    ).rows | map('list') | list) }}
{%- endmacro %}

{#- dbt listed the tables before this hook. -#}
{% macro _rename_table(schema, old, new) -%}
    {%- set before = api.Relation.create(database=target.database, schema=schema, identifier=old, type='table') -%}
    {%- do adapter.cache_renamed(before, before.incorporate(path={'identifier': new})) -%}
    alter table {{ before }} rename to {{ adapter.quote(new) }};
{%- endmacro %}
