{{ config(materialized='external', format='parquet') }}

with

embeddings as (
    select * from {{ ref('user_embeddings') }}
),

latest as (
    select * from embeddings
    where as_of = (select max(as_of) from embeddings)
),

final as (
    select
        latest.user_id,
        latest.model_id,
        latest.as_of,
        coalesce(
            arg_max(profiles.attributes[{{ literal(var('map_attribute')) }}], profiles.as_of), 'not known'
        ) as segment,
        any_value(latest.embedding)::float[] as embedding
    from latest
    left join {{ checked('profiles') }} as profiles
        on latest.user_id = profiles.user_id and profiles.as_of <= latest.as_of
    group by latest.user_id, latest.model_id, latest.as_of
)

select * from final
order by user_id
