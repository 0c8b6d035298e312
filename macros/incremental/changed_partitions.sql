{#-
    A late event changes the partition of its own day, however old. A changed rule may release events in quarantine. If
    the tokens are stale, all partitions must be made again.
-#}
{% macro changed_partitions(partitions, ingested) -%}
    select
        coalesce(present.day, ingested.day) as day,
        coalesce(present.bucket, ingested.bucket) as bucket,
        coalesce(present.events, 0) as events,
        coalesce(present.checksum, 0) as checksum,
        coalesce(present.repeats, 0) as repeats,
        {{ 'true' if ingested is none else 'false' }} as is_whole
    from {{ partitions }} as present
    full join {{ ingested or '(select null::date as day, 0::ubigint as bucket where false)' }} as ingested
        on {{ same_partition('present', 'ingested') }}
    {%- if ingested %}
    where
        ingested.events is distinct from present.events
        or ingested.checksum is distinct from present.checksum
        or ingested.kept <> ingested.events - ingested.repeats
    {%- endif %}
{%- endmacro %}
