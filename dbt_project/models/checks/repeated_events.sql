{%- set partitions = ref('event_partitions') if var('check_all_events') else ref('changed_partitions') -%}

with

delivered as (
    select * from {{ ref('delivered_events') }}
),

repeated as (
    select
        day,
        bucket
    from {{ partitions }}
    where repeats > 0
),

final as (
    select delivered.*
    from delivered
    inner join repeated on {{ in_partition('delivered', 'repeated') }}
    where {{ within('delivered.ts', repeated_days(partitions)) }}
)

select * from final
