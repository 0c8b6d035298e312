{% macro mark_scored(due, model_id) -%}
    delete from {{ ref('_embedding_state') }}
    where
        model_id = {{ literal(model_id) }}
        and user_id in (select due.user_id from {{ due }} as due where due.is_latest and due.batch = getvariable('batch'));
    insert into {{ ref('_embedding_state') }} by name
    select
        {{ literal(model_id) }} as model_id,
        user_id,
        as_of,
        profile_checksum,
        history,
        {{ 'true' if var('embed_as_of') else 'false' }} as is_common
    from {{ due }} where is_latest and batch = getvariable('batch');
{%- endmacro %}
