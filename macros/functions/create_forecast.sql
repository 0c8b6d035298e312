{#- Without a moment of its own: as of just after the newest event of the warehouse. -#}
{% macro create_forecast() -%}
create or replace macro main.forecast(uid) as {{ forecast_user('uid::varchar') }}
{%- endmacro %}
