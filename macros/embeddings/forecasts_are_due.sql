{% macro forecasts_are_due(forecasts) -%}
    {%- set current = current_model() -%}
    {%- if not current or not current.forecasts -%} {{ return('false') }} {%- endif -%}
    {%- if not is_incremental() -%} {{ return('true') }} {%- endif -%}
    {{ return('not ' ~ is_of_present_vectors(forecasts.identifier)) }}
{%- endmacro %}
