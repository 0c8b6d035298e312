{#- The record of which vectors exist and which are due. -#}

{#- One row per model and user: the latest moment that was scored, and since when vectors are due. -#}
{% macro scored_users() -%}
    {{ return(api.Relation.create(database=target.database, schema='vectors', identifier='scored_users')) }}
{%- endmacro %}

{#- On run start: create the table. -#}
{% macro create_scored_users() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    create schema if not exists vectors;
    {%- set scored = load_relation(scored_users()) -%}
    {%- if scored and has_column(scored, 'profile_items') %}
    drop table {{ scored }};
    {%- endif %}
    create table if not exists {{ scored_users() }} (
        model_id varchar, user_id varchar, as_of timestamp, profile_checksum ubigint, due_since timestamp
    );
    {%- endif -%}
{%- endmacro %}

{#-
    In the transaction that writes event tokens: vectors of these users are due from the earliest moment at which their
    tokens changed; all vectors are due if all tokens were made again.
-#}
{% macro mark_due(event_tokens) -%}
    {%- if execute -%}
    {%- if tokens_are_stale(event_tokens.identifier) -%}
    delete from {{ scored_users() }}
    {%- else -%}
    update {{ scored_users() }} as scored
    set due_since = least(scored.due_since, changed.since)
    from (select user_id, min(ts) as since from changed_moments group by user_id) as changed
    where scored.user_id = changed.user_id
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- In the batch's transaction: delete vectors that will be replaced, or that are no longer a user's latest. -#}
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

{#- In the batch's transaction: record what the batch's users were scored with. -#}
{% macro mark_scored(model_id) -%}
    delete from {{ scored_users() }}
    where
        model_id = {{ literal(model_id) }}
        and user_id in (select due.user_id from due_users as due where due.bucket = getvariable('bucket'));
    insert into {{ scored_users() }}
    select {{ literal(model_id) }}, user_id, as_of, profile_checksum, null
    from due_users where bucket = getvariable('bucket');
{%- endmacro %}

{#- Delete vectors of moments that no label asks for any more; if all is made again, those of other models too. -#}
{% macro forget_unasked(embeddings, model_id, anew) -%}
    {%- if anew %}
    delete from {{ embeddings }} where model_id <> {{ literal(model_id) }};
    {%- endif %}
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

{#- Delete the vectors, of any model, of users who have neither an event nor a profile any more. -#}
{% macro forget_gone(embeddings) -%}
    {%- for table in (scored_users(), embeddings) %}
    delete from {{ table }}
    where
        user_id not in (select known.user_id from {{ tokens_relation('built_users') }} as known)
        and user_id not in (select known.user_id from {{ ref('profile_tokens') }} as known);
    {%- endfor %}
{%- endmacro %}
