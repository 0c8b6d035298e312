{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key=['model_id', 'user_id']) }}

-- Scoring adds the rows of new users; a build only updates those whose history has another version now.
-- depends_on: {{ ref('models') }}
with

histories as (
    select * from {{ ref('_histories') }}
),

known as (
    {% if is_incremental() -%}
    select * from {{ this }}
    {%- else -%}
    select
        null::varchar as model_id,
        null::varchar as user_id,
        null::timestamp as as_of,
        null::ubigint as profile_checksum,
        null::ubigint as history,
        null::timestamp as due_since,
        null::boolean as is_common
    where false
    {%- endif %}
),

final as (
    select
        known.model_id,
        known.user_id,
        known.as_of,
        known.profile_checksum,
        histories.version as history,
        least(
            known.due_since,
            case when known.history = histories.previous then histories.changed_since else timestamp '-infinity' end
        ) as due_since,
        known.is_common
    from known
    left join histories on known.user_id = histories.user_id
    where known.history is distinct from histories.version
)

select * from final
