{%- set types = column_types(ref(var('book') ~ '_labels')) %}
with

labels as (
    select * from {{ ref(var('book') ~ '_labels') }}
),

final as (
    select
        task,
        user_id,
        eval_ts,
        label,
        {{ 'split' if 'split' in types else 'null::varchar' }} as split
    from labels
)

select * from final
