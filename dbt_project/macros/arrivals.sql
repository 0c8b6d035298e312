{#-
    The events that are tokenised. A first build, and one after a refit, takes all, as a view over the
    source; a later one those of the partitions that changed, as a table: small, and read several times.
-#}
{% materialization arrivals, adapter='duckdb' %}
    {%- if tokens_are_stale('event_tokens') -%}
        {%- set existing = load_cached_relation(this) -%}
        {%- if existing is not none and existing.is_table -%} {%- do adapter.drop_relation(existing) -%} {%- endif -%}
        {{ return(materialization_view_default()) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}

{#- What is tokenised of the contract: a candidate takes all events, whatever of them is new. -#}
{% macro arrived_events() -%} {{ return('events' if is_candidate() else 'new_events') }} {%- endmacro %}

{#- Whether a relation of `tokens` has to be made anew: it is not there, or of another tokenizer or engine. -#}
{% macro tokens_are_stale(name) -%}
    {%- if not execute or flags.FULL_REFRESH or fit_is_unfinished() -%} {{ return(true) }} {%- endif -%}
    {%- set marks = load_relation(tokens_relation('built')) -%}
    {%- if load_relation(tokens_relation(name)) is none or marks is none -%} {{ return(true) }} {%- endif -%}
    {%- set found = run_query(
        'select tokenizer_hash, content_probe from ' ~ marks ~ ' where relation = ' ~ literal(name)
    ).rows -%}
    {{ return(not found or [found[0][0], found[0][1]] != [_tokenizer_hash(), content_probe()]) }}
{%- endmacro %}

{#- Remember, in the transaction that fills a relation of `tokens`, what it was made with. -#}
{% macro mark_built(name) -%}
    {%- if execute -%}
    delete from {{ tokens_relation('built') }} where relation = {{ literal(name) }};
    insert into {{ tokens_relation('built') }}
    values ({{ literal(name) }}, {{ literal(_tokenizer_hash()) }}, {{ content_probe() }});
    {%- endif -%}
{%- endmacro %}

{#- Another version of the engine may hash otherwise; then no content_hash can be trusted. -#}
{% macro content_probe() -%}
    {{ return(run_query(
        'select ' ~ content_hash(["'pragma'", map_hash("map {'a': 'b'}")])
    ).rows[0][0]) }}
{%- endmacro %}

{% macro tokens_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='tokens', identifier=name)) }}
{%- endmacro %}

{#- Before an incremental relation is added to: empty it if what it holds is of no use any more. -#}
{% macro forget_stale(relation) -%}
    {%- if execute and not flags.FULL_REFRESH and load_relation(relation) is not none and tokens_are_stale(relation.identifier) -%}
    delete from {{ relation }}
    {%- endif -%}
{%- endmacro %}
