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
{% macro partitions_unlike_tokens(ingested, event_tokens, partitions) -%}
    {%- if not execute or load_relation(ingested) is none or load_relation(event_tokens) is none %}
    select null::date as day, null::ubigint as bucket, 0::bigint as events, 0::bigint as tokens where false
    {%- else %}
    select
        coalesce(ingested.day, there.day) as day,
        coalesce(ingested.bucket, there.bucket) as bucket,
        coalesce(ingested.kept, 0) as events,
        coalesce(there.events, 0) as tokens
    from {{ ingested }} as ingested
    full join ({{ token_partitions(event_tokens) }}) as there on {{ same_partition('ingested', 'there') }}
    where
        coalesce(ingested.kept, 0) <> coalesce(there.events, 0)
        or ingested.tokens_checksum is distinct from there.checksum
    union all
    select
        coalesce(present.day, ingested.day) as day,
        coalesce(present.bucket, ingested.bucket) as bucket,
        coalesce(present.events, 0) as events,
        coalesce(ingested.kept, 0) as tokens
    from {{ partitions }} as present
    full join {{ ingested }} as ingested on {{ same_partition('present', 'ingested') }}
    where ingested.events is distinct from present.events or ingested.checksum is distinct from present.checksum
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
    {{ partitions_unlike_tokens(
        tokens_relation('_ingested'), tokens_relation('event_tokens'), contract_relation('event_partitions')
    ) }};
    {{ forget_partitions('unlike') }}
    {%- endif -%}
{%- endmacro %}

{#- Forget that partitions were tokenised, so that the next build makes their tokens again. -#}
{% macro forget_partitions(unlike) -%}
    delete from {{ tokens_relation('_ingested') }} as ingested
    where exists (select 1 from {{ unlike }} as unlike where {{ same_partition('ingested', 'unlike') }});
    insert into {{ tokens_relation('_ingested') }} by name
    select distinct day, bucket, -1 as events, {{ content_probe() }} as probe from {{ unlike }}
{%- endmacro %}
