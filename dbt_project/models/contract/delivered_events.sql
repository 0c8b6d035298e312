with

events as (
    select * from {{ ref(var('book') ~ '_events') }}
),

final as (
    select
        user_id,
        ts,
        source,
        fields,
        event_id
    from events
)

select * from final
