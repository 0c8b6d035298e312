{#- Which users have to be scored again, and what is written down when they have been. -#}

{#- Model and user -> the latest moment that is scored, and what has arrived since. -#}
{% macro scored_users() -%}
    {{ return(api.Relation.create(database=target.database, schema='vectors', identifier='scored_users')) }}
{%- endmacro %}

{#- On run start. -#}
{% macro create_scored_users() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    create schema if not exists vectors;
    create table if not exists {{ scored_users() }} (
        model_id varchar, user_id varchar, as_of timestamp, profile_items bigint, due_since timestamp
    );
    {%- endif -%}
{%- endmacro %}

{#-
    In the transaction that writes event tokens: vectors of these users are due from their earliest new event
    on; all vectors, where the tokens were made anew.
-#}
{% macro mark_due(event_tokens, arrived) -%}
    {%- if execute -%}
    {%- if tokens_are_stale(event_tokens.identifier) -%}
    delete from {{ scored_users() }}
    {%- else -%}
    update {{ scored_users() }} as scored
    set due_since = least(scored.due_since, arrived.since)
    from (select user_id, min(ts) as since from {{ arrived }} group by user_id) as arrived
    where scored.user_id = arrived.user_id
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
    Fill `changed_users` (who has more tokens than were scored, since when, and just after all that is known of
    them) and `due_embeddings` (user, moment); returns the number of batches, by about as many events.
-#}
{% macro find_due(embeddings, model_id) -%}
    {%- do run_query(changed_users(model_id)) -%}
    {%- set due = due_moments(embeddings, model_id, ref('labels')) -%}
    {%- set counts = run_query(
        'select count(*), count(distinct user_id), coalesce((select sum(events) from ' ~ tokens_relation('built_partitions')
        ~ ') / greatest((select count(*) from ' ~ tokens_relation('built_users') ~ '), 1), 1) from (' ~ due ~ ')'
    ).rows[0] -%}
    {%- set batches = ((counts[0] * counts[2] / var('embedding_batch_events')) | round(0, 'ceil') | int, 1) | max if counts[0] else 0 -%}
    {%- for name, query in [('due_embeddings', due), ('due_users', 'from changed_users')] -%}
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
        select user_id, sum(items)::bigint as profile_items
        from (
            select user_id, 0 as items from {{ tokens_relation('built_users') }}
            union all
            select user_id, 1 as items from {{ ref('profile_tokens') }}
        )
        group by user_id
    ),
    changed as (
        select
            known.user_id,
            known.profile_items,
            case
                when scored.profile_items = known.profile_items then scored.due_since
                else timestamp '-infinity'
            end as since
        from known
        left join {{ scored_users() }} as scored
            on known.user_id = scored.user_id and scored.model_id = {{ literal(model_id) }}
        where
            scored.profile_items is distinct from known.profile_items
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

{#- User and moment of each vector that is due. -#}
{% macro due_moments(embeddings, model_id, labels) -%}
    select user_id, as_of from changed_users
    union
    select asked.user_id, asked.eval_ts as as_of
    from {{ labels }} as asked
    left join changed_users as changed on asked.user_id = changed.user_id
    where
        asked.eval_ts > changed.since
        or not exists (
            select 1 from {{ embeddings }} as scored
            where
                scored.model_id = {{ literal(model_id) }}
                and scored.user_id = asked.user_id
                and scored.as_of = asked.eval_ts
        )
{%- endmacro %}

{#- In the batch's transaction: vectors that are to be replaced, or are not the latest any more. -#}
{% macro forget_due(embeddings, model_id) -%}
    delete from {{ embeddings }} as scored
    using due_users as due
    where
        scored.model_id = {{ literal(model_id) }}
        and scored.user_id = due.user_id
        and due.bucket = getvariable('bucket')
        and (scored.as_of > due.since or not {{ is_asked('scored') }});
{%- endmacro %}

{% macro is_asked(scored) -%}
    exists (
        select 1 from {{ ref('labels') }} as asked
        where asked.user_id = {{ scored }}.user_id and asked.eval_ts = {{ scored }}.as_of
    )
{%- endmacro %}

{#- In the batch's transaction: what its users were scored with. -#}
{% macro mark_scored(model_id) -%}
    delete from {{ scored_users() }}
    where
        model_id = {{ literal(model_id) }}
        and user_id in (select due.user_id from due_users as due where due.bucket = getvariable('bucket'));
    insert into {{ scored_users() }}
    select {{ literal(model_id) }}, user_id, as_of, profile_items, null
    from due_users where bucket = getvariable('bucket');
{%- endmacro %}

{#- Vectors of moments that no label asks for any more. -#}
{% macro forget_unasked(embeddings, model_id) -%}
    delete from {{ embeddings }} as scored
    where
        scored.model_id = {{ literal(model_id) }}
        and not {{ is_asked('scored') }}
        and not exists (
            select 1 from {{ scored_users() }} as latest
            where
                latest.model_id = scored.model_id
                and latest.user_id = scored.user_id
                and latest.as_of = scored.as_of
        )
{%- endmacro %}
