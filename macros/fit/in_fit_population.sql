{% macro in_fit_population(user_id, ts, population) -%}
    {%- set chosen = fit_population(population) -%}
    {{ ts }} < {{ literal(chosen.fit_until) }}::timestamp and {{ fit_users(user_id, chosen.fit_users) }}
{%- endmacro %}
