{% macro is_frozen() -%}
    {%- set tokenizer = api.Relation.create(database=this.database, schema=this.schema, identifier='tokenizer') -%}
    {{ return(load_cached_relation(tokenizer) is not none and not should_full_refresh() and not fit_is_unfinished()) }}
{%- endmacro %}
