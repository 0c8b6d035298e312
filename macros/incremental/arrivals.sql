{#-
    What a build brings to the tokens. A build that makes all tokens takes all events, as a view over the source; any other
    takes those of the partitions that changed, as a table, which is small and read several times.
-#}
{% materialization arrivals, adapter='duckdb' %}
    {%- if is_candidate() or is_whole(tokens_relation('changed_partitions')) -%}
        {{ return(materialization_view_duckdb()) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}
