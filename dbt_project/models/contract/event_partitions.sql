with

events as (
    select * from {{ ref('events') }}
),

final as (
    select
        {{ event_day('ts') }} as day,
        {{ event_bucket('user_id') }} as bucket,
        count(*) as events,
        bit_xor({{ content_hash(['user_id', 'ts', 'event_id']) }}) as checksum
    from events
    group by all
)

select * from final
