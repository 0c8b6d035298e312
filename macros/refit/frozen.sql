{#-
    A table that is made once. Later builds leave it as it is, so a token id never changes under a
    model; `pragma build --refit` (dbt's `--full-refresh`) makes it again. All tables of the fit freeze
    together, once a build has also made the tokens: the remains of a failed first build are made again.
-#}
{% materialization frozen, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- if is_frozen() -%}
        {#- A table that an older fit lacks is not added, because it could not record how that fit was made. -#}
        {%- set existing = load_cached_relation(this) -%}
        {%- call noop_statement('main', 'FROZEN', 'FROZEN') -%} {%- endcall -%}
        {{ return({'relations': [existing] if existing is not none else []}) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}

{#- Whether there is a complete fit that this build leaves as it is. -#}
{% macro is_frozen() -%}
    {%- set tokenizer = api.Relation.create(database=this.database, schema=this.schema, identifier='tokenizer') -%}
    {{ return(load_cached_relation(tokenizer) is not none and not should_full_refresh() and not fit_is_unfinished()) }}
{%- endmacro %}

{#- On run start: a first fit is unfinished until the end of a build that made it and its tokens. -#}
{% macro begin_fit() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and 'model.pragma.tokenizer' in selected_resources
        and load_relation(_fit_relation('tokenizer')) is none -%}
    create schema if not exists fit;
    create or replace table {{ _fit_relation('unfinished') }} as select now() as since;
    {%- endif -%}
{%- endmacro %}

{#- On run end: the first fit is finished if the build made it and its tokens. -#}
{% macro finish_fit(results) -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and fit_is_unfinished() and fit_succeeded(results) -%}
    drop table {{ _fit_relation('unfinished') }};
    {%- endif -%}
{%- endmacro %}

{#- Whether a first fit was begun, but no build has yet made all of it and its tokens. -#}
{% macro fit_is_unfinished() -%} {{ return(execute and run_query(unfinished_fit()).rows | length > 0) }} {%- endmacro %}

{% macro unfinished_fit() -%}
    {{ return(
        "select 1 from duckdb_tables() where database_name = current_database() and schema_name = 'fit' and table_name = 'unfinished'"
    ) }}
{%- endmacro %}

{#- Whether nothing failed in the fit and its tokens, and the build made either the complete fit or no part of it. -#}
{% macro fit_succeeded(results) -%}
    {%- set layers, statuses = [], [] -%}
    {%- for result in results if result.node.resource_type == 'model' and result.node.package_name == 'pragma'
        and (result.node.fqn[1] == 'fit' or result.node.name in ('texts', 'event_tokens', 'profile_tokens', 'user_tokens')) -%}
        {%- do layers.append(result.node.fqn[1]) -%}
        {%- do statuses.append([result.node.name, result.status | string]) -%}
    {%- endfor -%}
    {{ return(
        statuses | rejectattr(1, 'equalto', 'success') | list | length == 0
        and ('fit' not in layers or ['tokenizer', 'success'] in statuses)
    ) }}
{%- endmacro %}
