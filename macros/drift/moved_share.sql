{#-
    An aggregate over groups: the share of a period's values that lie in other groups of tokens than in the fit, beyond
    what the fit's weeks move. It is half the sum over groups of |p - q| less two standard deviations of the group's share,
    whose variance is `spread` / n. A period longer than a week counts as a week, because seasons do not average out.
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

{#- The variance of a week's share, times the week's values: as in the fit's weeks, and at least that of sampling. -#}
{% macro share_variance(share, spread, week_values, weeks) -%}
    greatest(
        case when {{ weeks }} >= {{ least_weeks() }} then {{ spread }} else 10 * {{ share }} * (1 - {{ share }}) end,
        {{ share }} * (1 - {{ share }}) + 1 / {{ week_values }}
    )
{%- endmacro %}

{#-
    An aggregate over groups: the share of a period's values that look like the fit's times a factor. It projects the change
    of the groups' shares on the change that the factor would make, in units of each group's spread. A period with fewer
    values than a usual week gets less.
-#}
{% macro rescaled_share(n, total, share, weight, week_values) -%}
    sum({{ weight }} * ({{ n }} / {{ total }} - {{ share }})) * sqrt(least(1, any_value({{ total }} / {{ week_values }})))
{%- endmacro %}

{#- The weight of a group in `rescaled_share`; null where the factor would move less than a twentieth of a key's values. -#}
{% macro rescaled_weight(gain, variance) -%}
    case when round(sum(abs({{ gain }})) over (partition by source, key), 9) >= 0.1
        then {{ gain }} / {{ variance }} / sum({{ gain }} * {{ gain }} / {{ variance }}) over (partition by source, key)
    end
{%- endmacro %}

{#- With fewer weeks than this, the spread of the fit's weeks is unknown. -#}
{% macro least_weeks() -%} 8 {%- endmacro %}

{#- The most that a week of the fit differed from the others: at least 0.5%, or 10% if there are few weeks. -#}
{% macro at_least_usual(most, weeks) -%}
    round(greatest(
        coalesce({{ most }}, 0), case when {{ weeks }} >= {{ least_weeks() }} then 0.005 else 0.1 end
    ), 9)::double
{%- endmacro %}

{#-
    The largest share of a week of the fit that looked rescaled, at least 2%. Null, so that nothing is reported, if weeks
    are few, or if it exceeds one half, as when paydays make the weeks of a month differ.
-#}
{% macro usual_rescaled(most, weeks) -%}
    case when {{ weeks }} >= {{ least_weeks() }} and {{ most }} <= 0.5 then round(greatest({{ most }}, 0.02), 9) end::double
{%- endmacro %}

{#- The Monday of a day's week. -#}
{% macro week_of(day) -%} date_trunc('week', {{ day }})::date {%- endmacro %}
