{#-
    How a refit replaces the fit. Before it, the tables of `fit` are copied into the schema
    `archive_<first 12 of tokenizer_hash>`; the archive stays as long as a registered model has that hash. A refit that
    fails or is killed is undone from the archive, so that bins, vocabulary and BPE always belong together. If the
    current model uses the fit, `pragma build --refit` makes a candidate in schemas of its own instead.
-#}

{#-
    On run start: undo a refit that was killed; then, before a refit, archive the old tables. A first fit that no build has
    finished is not archived.
-#}
{% macro before_refit() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run')
        and load_relation(fit_relation('tokenizer')) is not none -%}
        {%- set present = present_tokenizer_hash() -%}
        {%- for schema in archives('unfinished') -%}
            {{ restore_fit(schema) }}
            drop table {{ schema }}.unfinished;
        {%- endfor -%}
        {%- if flags.FULL_REFRESH and 'model.pragma.tokenizer' in selected_resources and not fit_is_unfinished() -%}
            {%- do _refuse_if_served(present) -%}
            {{ _archive(present) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro _refuse_if_served(hash) -%}
    {%- set current = current_model() -%}
    {%- if current and current.tokenizer_hash == hash -%}
        {{ refuse(
            'model ' ~ current.id ~ ' is served by the tokenizer ' ~ hash[:12] ~ ', which is not replaced before there is a model of another',
            'pragma build --refit, without --select: it makes a candidate beside it'
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- The schemas that hold old tokenizers: how they are named, filled, restored and found. -#}
{% macro _archive_name(hash) -%} {{ return('archive_' ~ hash[:12]) }} {%- endmacro %}

{% macro _archive(hash) -%}
    {%- set schema = _archive_name(hash) -%}
    begin;
    drop schema if exists {{ schema }} cascade;
    create schema {{ schema }};
    {%- for source, table in tables_in(['fit']) %}
    create table {{ schema }}.{{ adapter.quote(table) }} as from {{ source }}.{{ adapter.quote(table) }};
    {%- endfor %}
    create table {{ schema }}.unfinished as select now() as since;
    commit;
{%- endmacro %}
