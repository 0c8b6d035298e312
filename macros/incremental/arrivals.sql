{#-
    The events that are tokenised. A first build, and one after a refit, takes all events, as a view over the
    source; a later build takes those of the partitions that changed, as a table, which is small and read several times.
-#}
{% materialization arrivals, adapter='duckdb' %}
    {%- if tokens_are_stale('event_tokens') -%}
        {{ return(materialization_view_duckdb()) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}

{#- The contract relation that is tokenised: a candidate takes all events, not only new ones. -#}
{% macro arrived_events() -%} {{ return('events' if is_candidate() else 'new_events') }} {%- endmacro %}

{#- Whether a relation of `tokens` must be made again, because it is missing or of another tokenizer or engine. -#}
{% macro tokens_are_stale(name) -%}
    {%- set marks, tokenizer = load_relation(tokens_relation('built')), load_relation(_fit_relation('tokenizer')) -%}
    {%- if not execute or flags.FULL_REFRESH or not marks or not tokenizer or not load_relation(tokens_relation(name)) -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(not run_query(
        'select 1 from ' ~ marks ~ ' as built inner join ' ~ tokenizer ~ ' as present on built.tokenizer_hash = present.tokenizer_hash'
        ~ ' where built.relation = ' ~ literal(name) ~ ' and built.content_probe = ' ~ content_probe()
        ~ ' and not exists (' ~ unfinished_fit() ~ ')'
    ).rows) }}
{%- endmacro %}

{#- In the transaction that fills a relation of `tokens`: record the tokenizer and engine that made it. -#}
{% macro mark_built(name) -%}
    {%- if execute -%}
    delete from {{ tokens_relation('built') }} where relation = {{ literal(name) }};
    insert into {{ tokens_relation('built') }}
    values ({{ literal(name) }}, {{ literal(_tokenizer_hash()) }}, {{ content_probe() }});
    {%- endif -%}
{%- endmacro %}

{#- A hash of a constant; if another engine version gives another value, stored content hashes cannot be compared. -#}
{% macro content_probe() -%} {{ content_hash(["'pragma'", map_hash("map {'a': 'b'}")]) }} {%- endmacro %}

{% macro tokens_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='tokens', identifier=name)) }}
{%- endmacro %}

{#- Before an incremental relation is added to: empty it if it is of another tokenizer or engine. -#}
{% macro forget_stale(relation) -%}
    {%- if execute and not flags.FULL_REFRESH and load_relation(relation) is not none and tokens_are_stale(relation.identifier) -%}
    delete from {{ relation }}
    {%- endif -%}
{%- endmacro %}
