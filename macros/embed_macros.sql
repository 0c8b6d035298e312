{#-
    The SQL functions that people call. `embed_user` reads the tokens of the users that it is asked for by
    itself, so it stands in no subquery and runs once a row, also under LIMIT and filters. It takes a struct,
    for DuckDB works a function of one column out for all values of a file's dictionary, those filtered away
    too.
-#}
{% macro create_embed() -%}
create or replace macro main.embed(uid) as {{ _embed_user('uid') }}
{%- endmacro %}

{% macro create_embed_at() -%}
create or replace macro main.embed_at(uid, moment) as {{ _embed_user('uid', 'moment::timestamp') }}
{%- endmacro %}

{#- By another model than the current one: embed_with('1f0c5a77e9d2', user_id). -#}
{% macro create_embed_with() -%}
create or replace macro main.embed_with(model, uid) as {{ _embed_user('uid', model="coalesce(model, '')") }}
{%- endmacro %}

{% macro create_embed_records() -%}
create or replace macro main.embed_records(record) as embed_record({'record': record::varchar})
{%- endmacro %}

{% macro _embed_user(uid, moment='null::timestamp', model='null::varchar') -%}
embed_user({'user_id': {{ uid }}::varchar, 'moment': {{ moment }}, 'model_id': {{ model }}})
{%- endmacro %}
