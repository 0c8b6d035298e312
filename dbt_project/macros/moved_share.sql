{#-
    The share of a period's values that lie in other groups of tokens than in the fit, beyond what the fit's own weeks
    move: half the sum over groups of |p - q| less two standard deviations of the group's share, `spread` / n. A period
    longer than a week is no surer than a week, for seasons do not average out. An aggregate over groups.
-#}
{% macro moved_share(n, total, share, spread, week_values, weeks) -%}
    0.5 * sum(greatest(
        0,
        abs({{ n }} / {{ total }} - {{ share }})
        - 2 * sqrt(
            greatest(
                case when {{ weeks }} >= {{ least_weeks() }} then {{ spread }} else 10 * {{ share }} * (1 - {{ share }}) end,
                {{ share }} * (1 - {{ share }}) + 1 / {{ week_values }}
            ) / least({{ total }}, {{ week_values }})
        )
    ))
{%- endmacro %}

{#- From fewer weeks than this nobody can say how far weeks of the fit lie from each other. -#}
{% macro least_weeks() -%} 8 {%- endmacro %}

{#- The most that a week of the fit was away from the others, 0.5% at least, and 10% where the weeks are few. -#}
{% macro at_least_usual(most, weeks) -%}
    round(greatest(
        coalesce({{ most }}, 0), case when {{ weeks }} >= {{ least_weeks() }} then 0.005 else 0.1 end
    ), 9)::double
{%- endmacro %}

{#- The Monday of a day's week. -#}
{% macro week_of(day) -%} date_trunc('week', {{ day }})::date {%- endmacro %}
