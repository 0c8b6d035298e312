{% macro create_embed_at(width=none) -%}
create or replace macro main.embed_at(uid, moment) as {{ embed_user(
    'case when moment::timestamp is not null then uid::varchar end', width, moment='moment::timestamp'
) }}
{%- endmacro %}
