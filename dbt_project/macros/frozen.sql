{#-
    A table that is made once. Later builds leave it as it is, so a token id never changes under a
    model; `pragma build --refit` (dbt's `--full-refresh`) makes it anew. The fit freezes as a whole, when
    its last table is there: what a failed first build left behind is made again.
-#}
{% materialization frozen, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and is_frozen() -%}
        {%- call noop_statement('main', 'FROZEN', 'FROZEN') -%} {%- endcall -%}
        {{ return({'relations': [existing]}) }}
    {%- endif -%}
    {{ return(materialization_table_duckdb()) }}
{% endmaterialization %}

{#- Whether there is a whole fit that this build leaves alone. -#}
{% macro is_frozen() -%}
    {%- set tokenizer = api.Relation.create(database=this.database, schema=this.schema, identifier='tokenizer') -%}
    {{ return(load_cached_relation(tokenizer) is not none and not should_full_refresh()) }}
{%- endmacro %}
