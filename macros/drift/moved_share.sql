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
            {{ share_variance(share, spread, week_values, weeks) }} / least({{ total }}, {{ week_values }})
        )
    ))
{%- endmacro %}

{#- The variance of a week's share, times the week's values: what the fit's weeks have, and sampling at least. -#}
{% macro share_variance(share, spread, week_values, weeks) -%}
    greatest(
        case when {{ weeks }} >= {{ least_weeks() }} then {{ spread }} else 10 * {{ share }} * (1 - {{ share }}) end,
        {{ share }} * (1 - {{ share }}) + 1 / {{ week_values }}
    )
{%- endmacro %}

{#-
    The share of a period's values that lie as if they were the fit's times a factor: how far its groups lean the way that all
    values would, each group by what it would gain, in units of its spread. Less, of a period that holds less
    than a usual week. An aggregate over groups.
-#}
{% macro rescaled_share(n, total, share, weight, week_values) -%}
    sum({{ weight }} * ({{ n }} / {{ total }} - {{ share }})) * sqrt(least(1, any_value({{ total }} / {{ week_values }})))
{%- endmacro %}

{#- What a group counts in it, over the groups of a key: null where the factor would not move a twentieth of the values. -#}
{% macro rescaled_weight(gain, variance) -%}
    case when round(sum(abs({{ gain }})) over (partition by source, key), 9) >= 0.1
        then {{ gain }} / {{ variance }} / sum({{ gain }} * {{ gain }} / {{ variance }}) over (partition by source, key)
    end
{%- endmacro %}

{#- From fewer weeks than this nobody can say how far weeks of the fit lie from each other. -#}
{% macro least_weeks() -%} 8 {%- endmacro %}

{#- The most that a week of the fit was away from the others, 0.5% at least, and 10% where the weeks are few. -#}
{% macro at_least_usual(most, weeks) -%}
    round(greatest(
        coalesce({{ most }}, 0), case when {{ weeks }} >= {{ least_weeks() }} then 0.005 else 0.1 end
    ), 9)::double
{%- endmacro %}

{#-
    The most that a week of the fit looked rescaled, 2% at least. Where that is more than half, as where the weeks of a month
    differ by paydays, or where weeks are few, nothing can be said, and it is null.
-#}
{% macro usual_rescaled(most, weeks) -%}
    case when {{ weeks }} >= {{ least_weeks() }} and {{ most }} <= 0.5 then round(greatest({{ most }}, 0.02), 9) end::double
{%- endmacro %}

{#- The Monday of a day's week. -#}
{% macro week_of(day) -%} date_trunc('week', {{ day }})::date {%- endmacro %}
