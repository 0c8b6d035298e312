{#-
    `embed_user` reads the tokens of the users it is asked for, so it needs no subquery and runs once a row, also under
    LIMIT and filters. It takes a struct, because DuckDB computes a function of a single column for all values of a
    file's dictionary, even those that are filtered out. A null argument makes the user null, and so the vector.
-#}
{% macro embed_user(uid, width, moment='null::timestamp', model='null::varchar') -%}
embed_user({'user_id': {{ uid }}, 'moment': {{ moment }}, 'model_id': {{ model }}}){{ as_array(width) }}
{%- endmacro %}
