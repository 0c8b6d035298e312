{%- set partitions = ref('event_partitions') -%}
{%- set days = changed_days(partitions) -%}

with

delivered as not materialized (
    select * from {{ ref('delivered_events') }} where {{ within('ts', days) }}
),

changed as (
    {{ changed_partitions(partitions) }}
),

repeats as (
    {{ repeats_by_partition('delivered', 'changed') }}
),

final as (
    select
        changed.day,
        changed.bucket,
        changed.events,
        changed.checksum,
        coalesce(repeats.repeats, 0)::bigint as repeats
    from changed
    left join repeats on {{ same_partition('changed', 'repeats') }}
)

select * from final
