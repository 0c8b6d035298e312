{%- set moved = moved_cut() -%}
{#- A fit that is older than this table keeps to itself what it was made with. -#}
{%- set known = 'true' if not execute or not is_frozen() else 'false' -%}
with

vars as (
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
),

moved as (
    select
        'moved' as kind,
        'refit_until' as name,
        {% if moved %}fit_until::varchar{% else %}''{% endif %} as value
    from {{ ref('population') }}
),

overrides as (
    select
        'override' as kind,
        key as name,
        concat_ws(', ', nullif(kind, ''), case when static then 'static' end) as value
    from {{ ref('field_overrides') }}
    where coalesce(book, {{ literal(var('book')) }}) = {{ literal(var('book')) }}
),

unioned as (
    select * from vars
    union all
    select * from moved
    union all
    select * from overrides
),

final as (
    select * from unioned where {{ known }}
)

select * from final
order by kind, name
