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
