{%- set types = column_types(ref(dataset_var() ~ '_labels')) %}
with

labels as (
    select * from {{ ref(dataset_var() ~ '_labels') }}
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
