with

labels as (
    select * from {{ ref(var('book') ~ '_labels') }}
),

final as (
    select
        task,
        user_id,
        eval_ts,
        label
    from labels
)

select * from final
