{#- A warehouse that is even older, whose record of partitions lacks columns, makes all its tokens again. -#}
{% macro move_older_state() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set older = tables_in(['tokens', 'vectors']) -%}
    {%- if ['tokens', 'event_tokens'] in older and not has_column(tokens_relation('event_tokens'), 'tokenizer') %}
        alter table {{ tokens_relation('event_tokens') }} add column tokenizer varchar;
    {%- endif %}
    {%- if ['vectors', '_embedding_state'] in older and not has_column(_vectors_relation('_embedding_state'), 'is_common') %}
        alter table {{ _vectors_relation('_embedding_state') }} add column is_common boolean;
    {%- endif %}
    {%- if ['tokens', 'built_partitions'] in older -%}
        {%- if has_column(tokens_relation('built_partitions'), 'kept') and ['tokens', 'event_tokens'] in older %}
            {{ _move_tokens() }}
            {%- do _say_created([tokens_relation('_ingested'), tokens_relation('_histories')]) -%}
            {%- if ['vectors', 'scored_users'] in older and not has_column(_vectors_relation('scored_users'), 'profile_items') %}
            create or replace table {{ _vectors_relation('_embedding_state') }} as
            select scored.model_id, scored.user_id, scored.as_of, scored.profile_checksum, histories.version as history, scored.due_since,
                false as is_common
            from {{ _vectors_relation('scored_users') }} as scored
            left join {{ tokens_relation('_histories') }} as histories on scored.user_id = histories.user_id;
            {%- do _say_created([_vectors_relation('_embedding_state')]) -%}
            {%- endif %}
        {%- endif %}
        drop table tokens.built_partitions;
        drop table if exists tokens.built;
        drop table if exists tokens.built_users;
        drop table if exists tokens.counted_days;
        drop table if exists vectors.scored_users;
        {%- if ['vectors', 'made_from'] in older %}
        delete from vectors.made_from where relation not in ('user_embeddings', 'neighbours');
        {%- endif %}
        drop table if exists contract.changed_partitions;
        drop table if exists contract.repeated_partitions;
        {{ _drop_contract_new_events() }}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro _move_tokens() -%}
    update {{ tokens_relation('event_tokens') }}
    set tokenizer = (
        select {{ tokenizer_id('any_value(built.tokenizer_hash)') }} from tokens.built where built.relation = 'event_tokens'
    );
    create or replace table {{ tokens_relation('_ingested') }} as
    select
        partitions.*,
        coalesce(
            (select any_value(built.content_probe) from tokens.built where built.relation = 'event_tokens'), 0::ubigint
        ) as probe
    from tokens.built_partitions as partitions;
    create or replace table {{ tokens_relation('_histories') }} as
    select
        user_id,
        {{ content_hash(["'of an older version'"]) }} as version,
        null::ubigint as previous,
        null::timestamp as changed_since,
        null::ubigint as change
    from tokens.built_users;
{%- endmacro %}

{#- dbt listed the relations before this hook created some. -#}
{% macro _say_created(relations) -%}
    {%- for relation in relations -%} {%- do adapter.cache_added(relation.incorporate(type='table')) -%} {%- endfor -%}
{%- endmacro %}

{% macro _vectors_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='vectors', identifier=name)) }}
{%- endmacro %}

{% macro _drop_contract_new_events() -%}
    {%- set found = load_relation(contract_relation('new_events')) -%}
    {%- if found -%} drop {{ 'view' if found.is_view else 'table' }} {{ found }}; {%- endif -%}
{%- endmacro %}
