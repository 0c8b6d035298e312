{%- set moved = moved_cut() -%}
{#- Empty beside a fit that is older than this table, because its settings are unknown. -#}
{%- set known = 'true' if not execute or not is_frozen() else 'false' -%}
with

vars as (
    {{ asked_vars() }}
),

moved as (
    select
        'moved' as kind,
        'refit_until' as name,
        {% if moved %}fit_until::varchar{% else %}''{% endif %} as value
    from {{ ref('population') }}
),

overrides as (
    {{ asked_overrides(ref('field_overrides')) }}
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
