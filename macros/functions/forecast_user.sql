{% macro forecast_user(uid, moment='null::timestamp') -%}
forecast_user({'user_id': {{ uid }}, 'moment': {{ moment }}, 'model_id': null::varchar})
{%- endmacro %}
