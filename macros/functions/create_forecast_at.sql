{% macro create_forecast_at() -%}
create or replace macro main.forecast_at(uid, moment) as {{ forecast_user(
    'case when moment::timestamp is not null then uid::varchar end', moment='moment::timestamp'
) }}
{%- endmacro %}
