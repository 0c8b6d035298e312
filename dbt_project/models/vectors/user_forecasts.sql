{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ forget_older_forecasts(this) }}",
    post_hook="{{ keep_made_from(this) }}",
) }}

-- Computed from the vectors, so that no event is encoded again; all of them whenever any vector changed.
-- depends_on: {{ ref('models') }}
with

latest as (
    select * from {{ ref('latest_embeddings') }} where {{ forecasts_are_due(this) }}
),

forecast as (
    select
        user_id,
        model_id,
        as_of,
        forecast_vector(embedding::float[], model_id) as expected
    from latest
),

by_window as (
    select
        *,
        unnest(map_keys(expected.events)) as ahead
    from forecast
),

final as (
    select
        user_id,
        model_id,
        as_of,
        ahead,
        expected.events[ahead] as events,
        expected.silence[ahead] as silence,
        expected.active[ahead] as active,
        map_from_entries(list_transform(
            map_entries(expected.amounts), lambda entry: {'key': entry.key, 'value': entry.value[ahead]}
        )) as amounts
    from by_window
)

select * from final
