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
