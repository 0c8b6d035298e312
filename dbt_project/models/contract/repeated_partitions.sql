with

changed as (
    select * from {{ ref('changed_partitions') }}
),

known as (
    select
        day,
        bucket,
        repeats
    from {{ tokens_relation('built_partitions') }}
),

final as (
    select
        day,
        bucket,
        repeats
    from changed
    where repeats > 0
    union all
    select
        known.day,
        known.bucket,
        known.repeats
    from known
    where
        known.repeats > 0
        and not exists (select 1 from changed where {{ same_partition('changed', 'known') }})
)

select * from final
