{#-
    What a refit leaves behind. Before it, the tables of `fit` are copied into the schema
    `archive_<first 12 of tokenizer_hash>`, and those of `tokens` too where a registered model is of that
    hash. After it, the archive stays as long as such a model does. A refit that fails or is killed half
    way is undone from it, so that bins, vocabulary and BPE always belong together.
-#}

{#-
    On run start: undo a refit that was killed; then, before a refit, put the old tables away. A first fit that no
    build has finished is worth no archive.
-#}
{% macro before_refit() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and load_relation(_fit_relation('tokenizer')) is not none -%}
        {%- set present = _tokenizer_hash() -%}
        {%- for schema in _archives('unfinished') -%}
            {{ _restore(schema) }}
            drop table {{ schema }}.unfinished;
        {%- endfor -%}
        {%- if flags.FULL_REFRESH and 'model.pragma.tokenizer' in selected_resources and not fit_is_unfinished() -%}
            {{ _archive(present) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- On run end: keep the archive, undo the refit, or throw away what no registered model is of. -#}
{% macro after_refit(results) -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set unfinished = _archives('unfinished') -%}
        {%- set refitted = fit_succeeded(results) -%}
        {%- for schema in unfinished -%}
            {%- if not refitted -%} {{ _restore(schema) }} {%- endif -%}
            drop table {{ schema }}.unfinished;
        {%- endfor -%}
        {%- set needed = _registered_hashes() -%}
        {%- set present = _tokenizer_hash() if refitted or not unfinished else '' -%}
        {%- for schema in _archives('tokenizer') -%}
            {%- set hash = schema[8:] -%}
            {%- if hash not in needed or hash == present[:12] or (schema in unfinished and not refitted) -%}
                drop schema {{ schema }} cascade;
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
