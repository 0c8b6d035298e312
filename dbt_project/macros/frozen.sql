{#-
    A table that is made once. Later builds leave it as it is, so a token id never changes under a
    model; `dbt build --full-refresh --select fit` makes it anew, which is what a refit is.
-#}
{% materialization frozen, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and not should_full_refresh() -%}
        {%- call noop_statement('main', 'FROZEN', 'FROZEN') -%} {%- endcall -%}
        {{ return({'relations': [existing]}) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}
