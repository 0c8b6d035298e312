with

file_partitions as (
    select * from {{ ref('file_partitions') }}
),

final as (
    select
        day,
        bucket,
        sum(events)::bigint as events,
        {{ checksum_of_checksums('checksum') }} as checksum
    from file_partitions
    group by all
)

select * from final
