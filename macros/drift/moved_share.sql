{#-
    The share is half the sum over groups of |p - q| less two standard deviations of the group's share, whose variance is
    `spread` / n. A period longer than a week counts as a week, because seasons do not average out.
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
