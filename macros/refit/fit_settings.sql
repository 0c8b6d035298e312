{#- The vars that the fit reads. A new var belongs here; a test compares the list with the models. -#}
{% macro fit_vars() -%}
    {{ return([
        'fit_until', 'fit_users', 'validation_share', 'test_share', 'calendar_tz', 'bins', 'vocabulary_size', 'max_categories',
        'numeric_share', 'leading_zero_share', 'missing_words', 'text_sample', 'text_characters',
        'max_event_tokens', 'max_profile_tokens',
    ]) }}
{%- endmacro %}

{#- A var as text: a scalar as it is, a list or a mapping as JSON. -#}
{% macro setting_text(value) -%}
    {{ return(value | string if value is string or value is number or value is not iterable else tojson(value)) }}
{%- endmacro %}

{#- The settings that are asked for: one row per var. -#}
{% macro asked_vars() -%}
    select
        'var' as kind,
        setting.name,
        setting.value
    from (
        select unnest([
            {%- for name in fit_vars() %}
            {'name': {{ literal(name) }}, 'value': {{ literal(setting_text(var(name))) }}}{{ ',' if not loop.last }}
            {%- endfor %}
        ]) as setting
    )
{%- endmacro %}

{#- The overrides that are asked for: one row per override of this dataset. -#}
{% macro asked_overrides(overrides) -%}
    select
        'override' as kind,
        key as name,
        concat_ws(', ', nullif(kind, ''), case when static then 'static' end) as value
    from {{ overrides }}
    where coalesce({{ override_dataset(overrides) }}, {{ literal(dataset_var()) }}) = {{ literal(dataset_var()) }}
{%- endmacro %}

{#-
    On run end of plain dbt: warn of settings that differ from those of the frozen fit. The pragma commands have warned
    before they run dbt; they silence dbt's log, which is how this macro recognises them.
-#}
{% macro say_ignored_settings() -%}
    {%- if execute and flags.WHICH == 'build' and invocation_args_dict.get('log_level') != 'none' and not fit_is_unfinished()
        and ['fit', 'settings'] in _tables(['fit']) and ['fit', 'field_overrides'] in _tables(['fit']) -%}
        {%- set ignored = run_query(_ignored_settings()).rows -%}
        {%- for name, made, asked in ignored -%}
            {%- do log('warning: ' ~ name ~ ': the fit was made with ' ~ (made or 'nothing') ~ ', asked for is '
                ~ (asked or 'nothing') ~ ', which is ignored until `pragma build --refit`', info=true) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro _ignored_settings() -%}
    select
        case when coalesce(made.kind, asked.kind) = 'override' then 'field_overrides.csv: ' else '' end
        || coalesce(made.name, asked.name) as name,
        made.value as made,
        asked.value as asked
    from (select * from {{ _fit_relation('settings') }} where kind <> 'moved') as made
    full join (
        {{ asked_vars() }}
        union all
        {{ asked_overrides(_fit_relation('field_overrides')) }}
    ) as asked on made.kind = asked.kind and made.name = asked.name
    where
        coalesce(made.value, '') <> coalesce(asked.value, '')
        and (made.name is not null or asked.kind = 'override')
        and exists (select 1 from {{ _fit_relation('settings') }})
    order by 1
{%- endmacro %}

{#-
    The cut-off of an earlier `pragma build --refit --until`. It overrules the var fit_until until that var changes or
    another moment is given. Empty if there is none.
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
