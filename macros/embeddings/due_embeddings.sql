{#-
    Fill `changed_users` (users whose tokens differ from those that were scored, since when, and their latest moment) and
    `due_embeddings` (user, moment). Returns the number of batches, each of about `embedding_batch_events` events.
-#}
{% macro find_due(embeddings, model_id) -%}
    {%- do run_query(changed_users(model_id)) -%}
    {%- do run_query(
        'create or replace temp table due_moments as ' ~ due_moments(embeddings, model_id, ref('labels'))
    ) -%}
    {%- set counts = run_query(
        'select count(*), count(distinct user_id), coalesce((select sum(events) from ' ~ tokens_relation('built_partitions')
        ~ ') / greatest((select count(*) from ' ~ tokens_relation('built_users') ~ '), 1), 1) from due_moments'
    ).rows[0] -%}
    {%- set batches = ((counts[0] * counts[2] / var('embedding_batch_events')) | round(0, 'ceil') | int, 1) | max if counts[0] else 0 -%}
    {%- for name, query in [('due_embeddings', 'from due_moments'), ('due_users', 'from changed_users')] -%}
        {%- do run_query(
            'create or replace temp table ' ~ name ~ ' as select *, ' ~ hash_bucket('user_id', (batches, 1) | max)
            ~ ' as bucket from (' ~ query ~ ')'
        ) -%}
    {%- endfor -%}
    {%- do log(
        '  vectors of model ' ~ model_id ~ ': ' ~ '{:,}'.format(counts[1]) ~ ' users to score, at '
        ~ '{:,}'.format(counts[0]) ~ ' moments', info=true
    ) -%}
    {{ return(batches) }}
{%- endmacro %}

{% macro changed_users(model_id) -%}
    create or replace temp table changed_users as
    with known as (
        select user_id, max(profile_checksum) as profile_checksum
        from (
            select user_id, 0::ubigint as profile_checksum from {{ tokens_relation('built_users') }}
            union all
            select
                user_id,
                {{ checksum_of(['as_of', 'ts', 'key_ids', 'value_ids', 'positions', 'text']) }} as profile_checksum
            from {{ ref('profile_tokens') }}
            group by user_id
        )
        group by user_id
    ),
    changed as (
        select
            known.user_id,
            known.profile_checksum,
            case
                when scored.profile_checksum = known.profile_checksum then scored.due_since
                else timestamp '-infinity'
            end as since
        from known
        left join {{ scored_users() }} as scored
            on known.user_id = scored.user_id and scored.model_id = {{ literal(model_id) }}
        where
            scored.profile_checksum is distinct from known.profile_checksum
            or scored.due_since is not null
    ),
    latest as (
        select user_id, max(ts) as ts
        from (
            select user_id, ts from {{ ref('event_tokens') }}
            union all
            select user_id, greatest(as_of, ts) as ts from {{ ref('profile_tokens') }}
        )
        where user_id in (select changed.user_id from changed)
        group by user_id
    )
    select changed.*, latest.ts + interval 1 microsecond as as_of
    from changed
    inner join latest on changed.user_id = latest.user_id
{%- endmacro %}

{#- User and moment of each vector that is due; users without tokens get no vector. -#}
{% macro due_moments(embeddings, model_id, labels) -%}
    select user_id, as_of from changed_users
    union
    select asked.user_id, asked.eval_ts as as_of
    from {{ labels }} as asked
    left join changed_users as changed on asked.user_id = changed.user_id
    where
        (
            asked.user_id in (select known.user_id from {{ tokens_relation('built_users') }} as known)
            or asked.user_id in (select known.user_id from {{ ref('profile_tokens') }} as known)
        )
        and (
            asked.eval_ts > changed.since
            or not exists (
                select 1 from {{ embeddings }} as scored
                where
                    scored.model_id = {{ literal(model_id) }}
                    and scored.user_id = asked.user_id
                    and scored.as_of = asked.eval_ts
            )
        )
{%- endmacro %}
