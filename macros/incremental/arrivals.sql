{#-
    What a build brings to the tokens. A build that makes all tokens takes all events, as a view over the source; any other
    takes those of the partitions that changed, as a table, which is small and read several times.
-#}
{% materialization arrivals, adapter='duckdb' %}
    {%- if is_candidate() or is_whole(tokens_relation('changed_partitions')) -%}
        {{ return(materialization_view_duckdb()) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}

{#- The contract relation that is tokenised: a candidate takes all events, not only new ones. -#}
{% macro arrived_events() -%} {{ return('events' if is_candidate() else 'new_events') }} {%- endmacro %}

{#-
    Whether all tokens must be made again: there are none, they are of another tokenizer, the fit is unfinished, or another
    version of the engine gives other hashes.
-#}
{% macro tokens_are_stale() -%}
    {%- set ingested, event_tokens = tokens_relation('_ingested'), tokens_relation('event_tokens') -%}
    {%- set tokenizer = _fit_relation('tokenizer') -%}
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

{#- The first digits of a tokenizer's hash, by which rows name it. -#}
{% macro tokenizer_id(hash) -%} left({{ hash }}, 12) {%- endmacro %}

{#- A hash of a constant; if another engine version gives another value, stored content hashes cannot be compared. -#}
{% macro content_probe() -%} {{ content_hash(["'pragma'", map_hash("map {'a': 'b'}")]) }} {%- endmacro %}

{% macro tokens_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='tokens', identifier=name)) }}
{%- endmacro %}

{#- Before an incremental relation is added to: empty it if it is of another tokenizer or engine. -#}
{% macro forget_stale(relation) -%}
    {%- if execute and not flags.FULL_REFRESH and load_relation(relation) is not none and tokens_are_stale() -%}
    delete from {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- Whether a table has a column; false where there is no such table. -#}
{% macro has_column(relation, column) -%}
    {{ return(run_query(
        'select 1 from duckdb_columns() where database_name = current_database() and schema_name = '
        ~ literal(relation.schema) ~ ' and table_name = ' ~ literal(relation.identifier)
        ~ ' and column_name = ' ~ literal(column)
    ).rows | length > 0) }}
{%- endmacro %}
