{#-
    A table that is made once. Later builds leave it as it is, also under `--full-refresh`, so a token id never changes
    under a model; `pragma build --refit` makes another fit beside it. All tables of the fit freeze together, once a
    build has also made the tokens: the remains of a failed first build are made again.
-#}
{% materialization frozen, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- if is_frozen() -%}
        {#- A table that an older fit lacks is not added, because it could not record how that fit was made. -#}
        {%- set existing = load_cached_relation(this) -%}
        {%- call noop_statement('main', 'FROZEN', 'FROZEN') -%} {%- endcall -%}
        {{ return({'relations': [existing] if existing is not none else []}) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}
