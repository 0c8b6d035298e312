{#-
    On run end of plain dbt: warn of settings that differ from those of the frozen fit. The pragma commands have warned
    before they run dbt; they silence dbt's log, which is how this macro recognises them.
-#}
{% macro say_ignored_settings() -%}
    {%- if execute and flags.WHICH == 'build' and invocation_args_dict.get('log_level') != 'none' and not fit_is_unfinished()
        and ['fit', 'settings'] in tables_in(['fit']) and ['fit', 'field_overrides'] in tables_in(['fit']) -%}
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
    from (select * from {{ fit_relation('settings') }} where kind <> 'moved') as made
    full join (
        {{ asked_vars() }}
        union all
        {{ asked_overrides(fit_relation('field_overrides')) }}
    ) as asked on made.kind = asked.kind and made.name = asked.name
    where
        coalesce(made.value, '') <> coalesce(asked.value, '')
        and (made.name is not null or asked.kind = 'override')
        and exists (select 1 from {{ fit_relation('settings') }})
    order by 1
{%- endmacro %}
