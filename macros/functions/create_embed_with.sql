{% macro create_embed_with(width=none) -%}
create or replace macro main.embed_with(model, uid) as {{ embed_user(
    'case when model is not null then uid::varchar end', width, model='model::varchar'
) }}
{%- endmacro %}
