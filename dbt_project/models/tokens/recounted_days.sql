with

-- The events that a day's tokens were made from; they outnumber the tokens if some are quarantined.
partitions as (
    select
        day,
        sum(events)::bigint as events,
        bit_xor(checksum) as checksum
    from {{ tokens_relation('built_partitions') }}
    where day is not null
    group by day
),

tokenised as (
    select
        {{ event_day('ts') }} as day,
        count(*) as tokenised
    from {{ ref('event_tokens') }}
    group by {{ event_day('ts') }}
),

present as (
    select
        tokenised.day,
        tokenised.tokenised,
        partitions.events,
        partitions.checksum
    from tokenised
    left join partitions on tokenised.day = partitions.day
),

counted as (
    select * from {{ counted_days() }}
),

final as (
    select
        coalesce(present.day, counted.day) as day,
        present.tokenised,
        present.events,
        present.checksum
    from present
    full outer join counted on present.day = counted.day
    where
        present.tokenised is distinct from counted.tokenised
        or present.events is distinct from counted.events
        or present.checksum is distinct from counted.checksum
)

select * from final
