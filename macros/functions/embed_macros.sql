{#-
    The SQL functions that people call. `embed_user` itself reads the tokens of the users it is asked for, so
    it needs no subquery and runs once a row, also under LIMIT and filters. It takes a struct, because DuckDB
    computes a function of a single column for all values of a file's dictionary, even those that are filtered
    out.

    `width` is the width of the vectors, which makes their type that of the tables; without one (no model yet,
    or models of several widths) they are lists. A null argument makes the user null, and so the vector.
-#}
{% macro create_embed(width=none) -%}
create or replace macro main.embed(uid) as {{ _embed_user('uid::varchar', width) }}
{%- endmacro %}

{% macro create_embed_at(width=none) -%}
create or replace macro main.embed_at(uid, moment) as {{ _embed_user(
    'case when moment::timestamp is not null then uid::varchar end', width, moment='moment::timestamp'
) }}
{%- endmacro %}

{#- The vector by a model other than the current one: embed_with('1f0c5a77e9d2', user_id). -#}
{% macro create_embed_with(width=none) -%}
create or replace macro main.embed_with(model, uid) as {{ _embed_user(
    'case when model is not null then uid::varchar end', width, model='model::varchar'
) }}
{%- endmacro %}

{% macro create_embed_records(width=none) -%}
create or replace macro main.embed_records(record) as embed_record({'record': record::varchar}){{ _as_array(width) }}
{%- endmacro %}

{#- The vector of a user as of a moment, for the SQL of a build; it does not need the functions above. -#}
{% macro embed_user_at(uid, moment) -%} {{ _embed_user(uid, none, moment=moment) }} {%- endmacro %}

{% macro _embed_user(uid, width, moment='null::timestamp', model='null::varchar') -%}
embed_user({'user_id': {{ uid }}, 'moment': {{ moment }}, 'model_id': {{ model }}}){{ _as_array(width) }}
{%- endmacro %}

{% macro _as_array(width) -%} {{ '::float[' ~ width ~ ']' if width else '' }} {%- endmacro %}
