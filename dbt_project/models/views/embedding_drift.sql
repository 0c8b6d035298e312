{{ config(materialized='table') }}

with

sample as (
    select user_id from {{ ref('latest_embeddings') }}
    order by md5(user_id), user_id
    limit {{ var('embedding_drift_users') }}
),

vectors as (
    select
        user_id,
        model_id,
        as_of::date as day,
        embedding,
        lag(embedding) over (partition by model_id, user_id order by as_of) as before
    from {{ ref('user_embeddings') }}
    where user_id in (select sample.user_id from sample)
),

days as (
    select
        model_id,
        day,
        count(distinct user_id) as users,
        count(distinct user_id) filter (where before is not null) as users_compared,
        avg(sqrt(array_inner_product(embedding, embedding))) as mean_norm,
        avg((array_cosine_distance(embedding, before) > {{ var('moved_far') }})::integer) as share_moved_far,
        [
            {%- for dimension in range(1, var('embedding_size') | int + 1) %}
            avg(embedding[{{ dimension }}]){{ ',' if not loop.last }}
            {%- endfor %}
        ]::float[{{ var('embedding_size') }}] as centroid
    from vectors
    group by model_id, day
),

-- Rounded, so that results do not depend on the order in which threads add.
final as (
    select
        model_id,
        day,
        users,
        users_compared,
        round(mean_norm::double, 5) as mean_norm,
        round(
            array_cosine_distance(centroid, lag(centroid) over (partition by model_id order by day))::double, 6
        ) as centroid_shift,
        round(share_moved_far::double, 9) as share_moved_far
    from days
)

select * from final
order by model_id, day
