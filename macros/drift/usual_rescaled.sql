{#-
    The result is null, so that nothing is reported, if weeks are few, or if it exceeds one half, as when paydays make
    the weeks of a month differ.
-#}
{% macro usual_rescaled(most, weeks) -%}
    case when {{ weeks }} >= {{ least_weeks() }} and {{ most }} <= 0.5 then round(greatest({{ most }}, 0.02), 9) end::double
{%- endmacro %}
