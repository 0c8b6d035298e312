{% macro create_embed(width=none) -%}
create or replace macro main.embed(uid) as {{ embed_user('uid::varchar', width) }}
{%- endmacro %}
