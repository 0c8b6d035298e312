{#- On run start: create the tables that record what the tokens were built from. -#}
{% macro create_marks() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    create schema if not exists tokens;
    create table if not exists {{ tokens_relation('built') }} (
        relation varchar, tokenizer_hash varchar, content_probe ubigint
    );
    {%- set partitions = load_relation(tokens_relation('built_partitions')) -%}
    {%- if partitions and not has_column(partitions, 'kept') %}
    drop table {{ partitions }};
    delete from {{ tokens_relation('built') }};
    {%- endif %}
    create table if not exists {{ tokens_relation('built_partitions') }} (
        day date, bucket ubigint, events bigint, checksum ubigint, repeats bigint, kept bigint, tokens_checksum ubigint
    );
    create table if not exists {{ tokens_relation('built_users') }} (user_id varchar);
    {%- endif -%}
{%- endmacro %}

{#- Asked of the database, because the adapter would begin a transaction, and the rest of the hook would be rolled back. -#}
{% macro has_column(relation, column) -%}
    {{ return(run_query(
        'select 1 from duckdb_columns() where database_name = current_database() and schema_name = '
        ~ literal(relation.schema) ~ ' and table_name = ' ~ literal(relation.identifier)
        ~ ' and column_name = ' ~ literal(column)
    ).rows | length > 0) }}
{%- endmacro %}

{#-
    After the tokens are written: record the partitions that they were made from, how many events of each contract.events
    holds, and a checksum of the users and moments of the rows written.
-#}
{% macro keep_partitions(event_tokens, changed, arrived) -%}
    {%- set built, aside = tokens_relation('built_partitions'), set_aside_events() -%}
    {%- set stale = tokens_are_stale(event_tokens.identifier) -%}
    delete from {{ built }} as built
    {%- if not stale %}
    where exists (select 1 from {{ changed }} as changed where {{ same_partition('changed', 'built') }})
    {%- endif %};
    insert into {{ built }} by name
    with {% if aside -%}
    with_rows_aside as (
        select distinct
            {{ event_day('ts') }} as day,
            {{ event_bucket('user_id') }} as bucket
        from ({{ aside }}) as aside
    ),
    left_over as (
        select
            partitions.day,
            partitions.bucket,
            count(events.user_id) as events
        from with_rows_aside as partitions
        left join {{ arrived }} as events on {{ in_partition('events', 'partitions') }}
        group by partitions.day, partitions.bucket
    ),
    {%- endif %}
    written as (
        {{ token_partitions(event_tokens, none if stale else changed) }}
    )
    select
        changed.day,
        changed.bucket,
        changed.events,
        changed.checksum,
        changed.repeats,
        {% if aside %}coalesce(left_over.events, changed.events - changed.repeats){% else %}changed.events - changed.repeats{% endif %} as kept,
        written.checksum as tokens_checksum
    from {{ changed }} as changed
    left join written on {{ same_partition('changed', 'written') }}
    {%- if aside %}
    left join left_over on {{ same_partition('changed', 'left_over') }}
    {%- endif %}
    where changed.events > 0;
{%- endmacro %}

{#- The number and a checksum of event tokens in each partition, for all partitions or those that changed. -#}
{% macro token_partitions(event_tokens, changed=none) -%}
    select
        {{ event_day('tokens.ts') }} as day,
        {{ event_bucket('tokens.user_id') }} as bucket,
        count(*) as events,
        {{ checksum_of(['tokens.user_id', 'tokens.ts']) }} as checksum
    from {{ event_tokens }} as tokens
    {%- if changed %}
    where
        {{ within('tokens.ts', days_of(changed)) }}
        and exists (select 1 from {{ changed }} as changed where {{ in_partition('tokens', 'changed') }})
    {%- endif %}
    group by all
{%- endmacro %}

{#-
    The partitions whose token rows do not match their events in contract.events one to one, or differ from those that were
    written. Empty before there are tokens.
-#}
{% macro partitions_unlike_tokens(event_tokens, partitions) -%}
    {%- set built = tokens_relation('built_partitions') -%}
    {#- Asked of the database, because dbt does not know tables that a hook created in this run. -#}
    {%- if not execute or [built.schema, built.identifier] not in _tables([built.schema]) or load_relation(event_tokens) is none %}
    select null::date as day, null::ubigint as bucket, 0::bigint as events, 0::bigint as tokens where false
    {%- else %}
    select
        coalesce(built.day, there.day) as day,
        coalesce(built.bucket, there.bucket) as bucket,
        coalesce(built.kept, 0) as events,
        coalesce(there.events, 0) as tokens
    from {{ built }} as built
    full join ({{ token_partitions(event_tokens) }}) as there on {{ same_partition('built', 'there') }}
    where
        coalesce(built.kept, 0) <> coalesce(there.events, 0)
        or built.tokens_checksum is distinct from there.checksum
    {%- if 'model.pragma.event_tokens' in selected_resources %}
    union all
    select
        coalesce(present.day, built.day) as day,
        coalesce(present.bucket, built.bucket) as bucket,
        coalesce(present.events, 0) as events,
        coalesce(built.kept, 0) as tokens
    from {{ partitions }} as present
    full join {{ built }} as built on {{ same_partition('present', 'built') }}
    where built.events is distinct from present.events or built.checksum is distinct from present.checksum
    {%- endif %}
    {%- endif %}
{%- endmacro %}

{#-
    On run end: if the test of the tokens failed, forget the partitions that differ, so that the next build makes them
    again.
-#}
{% macro forget_unlike(results) -%}
    {%- set failed = results | selectattr('node.name', 'equalto', 'assert_each_event_has_its_tokens')
        | selectattr('status', 'equalto', 'fail') | list if execute else [] -%}
    {%- if failed -%}
    create or replace temp table unlike as
    {{ partitions_unlike_tokens(tokens_relation('event_tokens'), contract_relation('event_partitions')) }};
    {{ forget_partitions('unlike') }}
    {%- endif -%}
{%- endmacro %}

{#- Forget that partitions were built, so that the next build makes them again. -#}
{% macro forget_partitions(unlike) -%}
    delete from {{ tokens_relation('built_partitions') }} as built
    where exists (select 1 from {{ unlike }} as unlike where {{ same_partition('built', 'unlike') }});
    insert into {{ tokens_relation('built_partitions') }} by name
    select distinct day, bucket, -1 as events from {{ unlike }}
{%- endmacro %}
