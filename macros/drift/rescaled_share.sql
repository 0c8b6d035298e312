{#-
    The aggregate projects the change of the groups' shares on the change that the factor would make, in units of each
    group's spread. A period with fewer values than a usual week gets less.
-#}
{% macro rescaled_share(n, total, share, weight, week_values) -%}
    sum({{ weight }} * ({{ n }} / {{ total }} - {{ share }})) * sqrt(least(1, any_value({{ total }} / {{ week_values }})))
{%- endmacro %}
