{#-
    Exact, by one scan of the latest vectors of users with events. A null, or a user without a vector or events, gives
    no row.
-#}
{% macro create_nearest_users(latest_embeddings) -%}
create or replace macro main.nearest_users(asked, n := 10) as table
with __known as (
    from {{ latest_embeddings }} where user_id in (select seen.user_id from {{ tokens_relation('_histories') }} as seen)
),
__asked as (
    select embedding as __vector from __known where user_id = asked
)
select
    latest.user_id,
    round(1 - array_cosine_distance(latest.embedding, __asked.__vector)::double, 6) as similarity
from __known as latest
cross join __asked
where latest.user_id <> asked
order by similarity desc, latest.user_id
limit n
{%- endmacro %}
