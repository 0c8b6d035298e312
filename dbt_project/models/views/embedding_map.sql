{{ config(
    materialized='external',
    format='parquet',
    post_hook=["{{ keep_made_from(this) }}", "{{ show_present_vectors(this) }}"],
) }}

with

latest as (
    select * from {{ ref('latest_embeddings') }}
),

layout as (
    select * from {{ ref('layout') }}
),

segments as (
    select
        latest.user_id,
        arg_max(profiles.attributes[{{ literal(map_attribute()) }}], profiles.as_of) as segment
    from latest
    inner join {{ checked_ref('profiles') }} as profiles
        on latest.user_id = profiles.user_id and profiles.as_of <= latest.as_of
    group by latest.user_id
),

final as (
    select
        latest.user_id,
        latest.model_id,
        latest.as_of,
        case when layout.cluster = 0 then 'no events' else coalesce(segments.segment, 'not known') end as segment,
        layout.x,
        layout.y,
        layout.norm,
        layout.cluster,
        layout.method,
        latest.embedding::float[] as embedding
    from latest
    inner join layout on latest.user_id = layout.user_id
    left join segments on latest.user_id = segments.user_id
)

select * from final
order by user_id
