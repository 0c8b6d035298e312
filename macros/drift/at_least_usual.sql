{% macro at_least_usual(most, weeks) -%}
    round(greatest(
        coalesce({{ most }}, 0), case when {{ weeks }} >= {{ least_weeks() }} then 0.005 else 0.1 end
    ), 9)::double
{%- endmacro %}
