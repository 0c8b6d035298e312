{% macro forget_due(embeddings, due, model_id) -%}
    delete from {{ embeddings }} as scored
    using {{ due }} as due
    where
        scored.model_id = {{ literal(model_id) }}
        and scored.user_id = due.user_id
        and due.is_latest
        and due.batch = getvariable('batch')
        and (scored.as_of > due.since or not {{ has_label('scored') }});
{%- endmacro %}
