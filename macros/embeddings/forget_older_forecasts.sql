{% macro forget_older_forecasts(forecasts) -%}
    {%- if execute and is_incremental() %}
    delete from {{ forecasts }} where not {{ is_of_present_vectors(forecasts.identifier) }}
    {%- endif -%}
{%- endmacro %}
