{#- The vars that the fit reads; a test holds the list against the models. What is new among them belongs here. -#}
{% macro fit_vars() -%}
    {{ return([
        'fit_until', 'fit_users', 'validation_share', 'test_share', 'calendar_tz', 'bins', 'vocabulary_size', 'max_categories',
        'numeric_share', 'leading_zero_share', 'missing_words', 'text_sample', 'text_characters',
        'max_event_tokens', 'max_profile_tokens',
    ]) }}
{%- endmacro %}

{#- A var as text: a scalar as it is written, a list or a mapping as JSON. -#}
{% macro setting_text(value) -%}
    {{ return(value | string if value is string or value is number or value is not iterable else tojson(value)) }}
{%- endmacro %}

{#-
    The moment that an earlier `pragma build --refit --until` moved the cut to; it holds until another is given, or
    until the var fit_until, which it overrules, is changed. Empty where there is none.
-#}
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
