{% macro share_variance(share, spread, week_values, weeks) -%}
    greatest(
        case when {{ weeks }} >= {{ least_weeks() }} then {{ spread }} else 10 * {{ share }} * (1 - {{ share }}) end,
        {{ share }} * (1 - {{ share }}) + 1 / {{ week_values }}
    )
{%- endmacro %}
