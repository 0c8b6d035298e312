{{ config(materialized='table') }}

{%- set embeddings, per_batch = last_build('user_embeddings', of='last_vectors'), var('embedding_batch_events') %}
{%- set common = embedding_moment() %}

with

labels as (
    select
        user_id,
        eval_ts
    from {{ checked_ref('labels') }}
),

histories as (
    select
        user_id,
        version
    from {{ ref('_histories') }}
),

profiles as (
    select
        user_id,
        {{ checksum_of(['as_of', 'ts', 'key_ids', 'value_ids', 'positions', 'text']) }} as checksum
    from {{ ref('profile_tokens') }}
    group by user_id
),

known as (
    select
        coalesce(histories.user_id, profiles.user_id) as user_id,
        histories.version as history,
        coalesce(profiles.checksum, 0) as profile_checksum
    from histories
    full join profiles on histories.user_id = profiles.user_id
),

-- What a vector was computed from counts only as long as the vector is there.
before as (
    select before.*
    from {{ ref('_embedding_state') }} as before
    {% if embeddings -%}
    inner join {{ embeddings }} as scored
        on
            before.model_id = scored.model_id
            and before.user_id = scored.user_id
            and before.as_of = scored.as_of
    where before.model_id = {{ current_model_id() }}
    {%- else -%}
    where false
    {%- endif %}
),

compared as (
    select
        known.*,
        before.due_since,
        (
            before.profile_checksum is distinct from known.profile_checksum
            or before.history is distinct from known.history
        ) as is_other,
        {% if common -%}
        (before.as_of is distinct from {{ common }}) as is_moved
        {%- else -%}
        coalesce(before.is_common, false) as is_moved
        {%- endif %}
    from known
    left join before on known.user_id = before.user_id
    where {{ current_model_id() }} <> ''
),

changed as (
    select
        user_id,
        history,
        profile_checksum,
        case
            when is_other then timestamp '-infinity'
            -- From the new moment on, as the vector of a label at that moment would otherwise stand there twice.
            when due_since is null
                then {{ common ~ ' - interval 1 microsecond' if common else "timestamp '-infinity'" }}
            else due_since
        end as since
    from compared
    where is_other or is_moved or due_since is not null
),

known_moments as (
    select user_id, ts from {{ ref('event_tokens') }}
    union all
    select user_id, greatest(as_of, ts) as ts from {{ ref('profile_tokens') }}
),

latest as (
    select
        user_id,
        {{ common or 'max(ts) + interval 1 microsecond' }} as as_of
    from {{ 'changed' if common else 'known_moments' }}
    where user_id in (select changed.user_id from changed)
    group by user_id
),

asked as (
    select
        labels.user_id,
        labels.eval_ts as as_of
    from labels
    inner join known on labels.user_id = known.user_id
    left join changed on labels.user_id = changed.user_id
    where
        {{ current_model_id() }} <> ''
        and (
            labels.eval_ts > changed.since
            {%- if embeddings %}
            or not exists (
                select 1 from {{ embeddings }} as scored
                where
                    scored.model_id = {{ current_model_id() }}
                    and scored.user_id = labels.user_id
                    and scored.as_of = labels.eval_ts
            )
            {%- else %}
            or true
            {%- endif %}
        )
),

moments as (
    select user_id, as_of from latest
    union
    select user_id, as_of from asked
),

size as (
    select greatest(ceil(
        (select count(*) from moments)
        * (select coalesce(sum(events), 0) / greatest((select count(*) from histories), 1) from {{ ref('_ingested') }})
        / {{ per_batch }}
    ), 1)::ubigint as batches
),

final as (
    select
        moments.user_id,
        moments.as_of,
        latest.user_id is not null as is_latest,
        changed.since,
        changed.history,
        changed.profile_checksum,
        {{ hash_bucket('moments.user_id', 'size.batches') }} as batch
    from moments
    cross join size
    left join changed on moments.user_id = changed.user_id
    left join latest on moments.user_id = latest.user_id and moments.as_of = latest.as_of
)

select * from final
