{#-
    Runs after `move_older_tokenizers`, as every fit has its tables: the one in force, a candidate, and those of earlier
    tokenizers. Without it a frozen fit would keep the older name for good.
-#}
{% macro rename_older_tables() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- for schema in _fits_with_schemas() %}
            begin;
            {{ _rename_table(schema, 'schemas', 'source_keys') }}
            {%- if schema == 'fit' %}
            create view fit.schemas as from fit.source_keys;
            {%- endif %}
            commit;
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- The column tells our table from one of the user's. -#}
{% macro _fits_with_schemas() -%}
    {{ return(run_query(
        "select schema_name from duckdb_columns() where database_name = current_database() and column_name = 'always'"
        ~ " and regexp_full_match(schema_name, 'fit(_next|_[0-9a-f]{12})?') and table_name in ('schemas', 'source_keys')"
        ~ " group by schema_name having count(*) = 1 and any_value(table_name) = 'schemas' order by all"
    ).columns[0].values() | list) }}
{%- endmacro %}

{#- dbt listed the tables before this hook. -#}
{% macro _rename_table(schema, old, new) -%}
    {%- set before = api.Relation.create(database=target.database, schema=schema, identifier=old, type='table') -%}
    {%- do adapter.cache_renamed(before, before.incorporate(path={'identifier': new})) -%}
    alter table {{ before }} rename to {{ adapter.quote(new) }};
{%- endmacro %}
