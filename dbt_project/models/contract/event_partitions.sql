{%- set partitions -%}
    select
        day,
        bucket,
        sum(events)::bigint as events,
        {{ checksum_of_checksums('checksum') }} as checksum
    from {{ ref('file_partitions') }}
    group by all
{%- endset -%}
{%- set known = counted_repeats(this) -%}

with

delivered as not materialized (
    select * from {{ ref('delivered_events') }}
    where {{ within('ts', days_in(other_partitions("(" ~ partitions ~ ")", known), ref('file_partitions'))) }}
),

present as (
    {{ partitions }}
),

known as (
    select * from {{ known }}
),

other as (
    {{ other_partitions('present', 'known') }}
),

repeats as (
    {{ repeats_by_partition('delivered', 'other') }}
),

final as (
    select
        present.day,
        present.bucket,
        present.events,
        present.checksum,
        coalesce(repeats.repeats, case when other.bucket is null then known.repeats end, 0)::bigint as repeats
    from present
    left join other on {{ same_partition('present', 'other') }}
    left join repeats on {{ same_partition('present', 'repeats') }}
    left join known on {{ same_partition('present', 'known') }}
)

select * from final
