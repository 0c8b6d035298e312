{#- It overrules the var fit_until until that var changes or another moment is given. -#}
{% macro moved_cut() -%}
    {%- if var('refit_until') -%} {{ return(var('refit_until') | string) }} {%- endif -%}
    {%- set settings = api.Relation.create(database=target.database, schema='fit', identifier='settings') -%}
    {%- if not execute or load_relation(settings) is none -%} {{ return('') }} {%- endif -%}
    {%- set kept = run_query(
        "select moved.value from " ~ settings ~ " as moved inner join " ~ settings ~ " as asked on asked.name = 'fit_until'"
        ~ " where moved.name = 'refit_until' and asked.kind = 'var' and asked.value = " ~ literal(setting_text(var('fit_until')))
    ).rows -%}
    {{ return(kept[0][0] if kept else '') }}
{%- endmacro %}
