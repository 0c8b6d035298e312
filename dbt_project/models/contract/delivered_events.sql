with

events as (
    select * from {{ ref(dataset_var() ~ '_events') }}
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
