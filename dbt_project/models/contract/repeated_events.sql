{%- set repeated_partitions = ref('repeated_partitions') -%}

with

delivered as (
    select * from {{ ref('delivered_events') }}
),

repeated as (
    select
        day,
        bucket
    from {% if var('check_all_events') %}{{ repeated_partitions }}{% else %}{{ ref('changed_partitions') }}{% endif %}
    where repeats > 0
),

final as (
    select delivered.*
    from delivered
    inner join repeated on {{ in_partition('delivered', 'repeated') }}
    where {{ within('delivered.ts', repeated_days(repeated_partitions)) }}
)

select * from final
