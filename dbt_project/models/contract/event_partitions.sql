with

delivered as (
    select * from {{ ref('delivered_events') }}
),

final as (
    select
        {{ event_day('ts') }} as day,
        {{ event_bucket('user_id') }} as bucket,
        count(*) as events,
        {{ checksum_of(event_content()) }} as checksum
    from delivered
    group by all
)

select * from final
