{#-
    `vectors.made_from` has a row for `user_embeddings` and for each relation of its layer that is built on it,
    `views.made_from` for those of the views. A relation whose model or state differs from that of `user_embeddings` is
    stale, and shows no rows. The file made_from.parquet beside the warehouse holds the same rows for programs without
    DuckDB.
-#}
{% macro made_from(layer='vectors') -%}
    {{ return(api.Relation.create(database=target.database, schema=layer, identifier='made_from')) }}
{%- endmacro %}
