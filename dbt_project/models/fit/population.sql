{%- set population = decide_population(checked('events'), checked('profiles'), checked('labels')) -%}
with

final as (
    select
        {{ literal(population.fit_until) }}::timestamp as fit_until,
        {{ literal(population.fit_users) }} as fit_users,
        {{ literal(population.reason) }} as reason
)

select * from final
