{#- What scoring a batch deletes and records, and what is deleted after the last batch. -#}

{#- In the batch's transaction: delete vectors that will be replaced, or that are no longer a user's latest. -#}
{% macro forget_due(embeddings, due, model_id) -%}
    delete from {{ embeddings }} as scored
    using {{ due }} as due
    where
        scored.model_id = {{ literal(model_id) }}
        and scored.user_id = due.user_id
        and due.is_latest
        and due.batch = getvariable('batch')
        and (scored.as_of > due.since or not {{ is_asked('scored') }});
{%- endmacro %}

{% macro is_asked(scored) -%}
    exists (
        select 1 from {{ ref('labels') }} as asked
        where asked.user_id = {{ scored }}.user_id and asked.eval_ts = {{ scored }}.as_of
    )
{%- endmacro %}

{#- In the batch's transaction: record what the batch's users were scored with. -#}
{% macro mark_scored(due, model_id) -%}
    delete from {{ ref('_embedding_state') }}
    where
        model_id = {{ literal(model_id) }}
        and user_id in (select due.user_id from {{ due }} as due where due.is_latest and due.batch = getvariable('batch'));
    insert into {{ ref('_embedding_state') }} by name
    select {{ literal(model_id) }} as model_id, user_id, as_of, profile_checksum, history
    from {{ due }} where is_latest and batch = getvariable('batch');
{%- endmacro %}

{#- Delete vectors of moments that no label asks for any more; if all is made again, those of other models too. -#}
{% macro forget_unasked(embeddings) -%}
    {%- set current = current_model() -%}
    {%- if current %}
    {%- if should_full_refresh() %}
    delete from {{ embeddings }} where model_id <> {{ literal(current.id) }};
    {%- endif %}
    delete from {{ embeddings }} as scored
    where
        scored.model_id = {{ literal(current.id) }}
        and not {{ is_asked('scored') }}
        and not exists (
            select 1 from {{ ref('_embedding_state') }} as latest
            where
                latest.model_id = scored.model_id
                and latest.user_id = scored.user_id
                and latest.as_of = scored.as_of
        )
    {%- endif %}
{%- endmacro %}

{#- Delete the vectors, of any model, of users who have neither an event nor a profile any more. -#}
{% macro forget_gone(embeddings) -%}
    {%- for table in (ref('_embedding_state'), embeddings) %}
    delete from {{ table }}
    where
        user_id not in (select known.user_id from {{ ref('_histories') }} as known)
        and user_id not in (select known.user_id from {{ ref('profile_tokens') }} as known);
    {%- endfor %}
{%- endmacro %}
