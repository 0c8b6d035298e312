{%- set population = decide_population(checked_ref('events'), checked_ref('profiles'), checked_ref('labels')) -%}
with

final as (
    select
        {{ literal(population.fit_until) }}::timestamp as fit_until,
        {{ literal(population.fit_users) }} as fit_users,
        {{ literal(population.reason) }} as reason
)

select * from final
