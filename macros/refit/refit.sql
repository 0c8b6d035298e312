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
        and load_relation(_fit_relation('tokenizer')) is not none -%}
        {%- set present = _tokenizer_hash() -%}
        {%- for schema in _archives('unfinished') -%}
            {{ _restore(schema) }}
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

{#- On run end: undo a refit that failed, and drop the archives that no registered model needs. -#}
{% macro after_refit(results) -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') -%}
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

{#-
    On run end: drop an unfinished candidate; from one that waits for its model, delete the tokens of events and profiles
    that the source no longer holds.
-#}
{% macro tend_candidate() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and 'model.pragma.event_tokens' in selected_resources -%}
        {%- set there = _tables(['fit_next', 'tokens_next']) -%}
        {%- if ['fit_next', 'unfinished'] in there -%}
            drop schema if exists tokens_next cascade; drop schema fit_next cascade;
        {%- elif ['tokens_next', 'event_tokens'] in there -%}
            delete from tokens_next.event_tokens as kept
            where not exists (
                select 1 from {{ tokens_relation('event_tokens') }} as present
                where
                    present.user_id = kept.user_id
                    and present.ts = kept.ts
                    and present.event_id is not distinct from kept.event_id
            );
            delete from tokens_next.profile_tokens as kept
            where not exists (
                select 1 from {{ tokens_relation('profile_tokens') }} as present
                where present.user_id = kept.user_id and present.as_of is not distinct from kept.as_of
            );
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
