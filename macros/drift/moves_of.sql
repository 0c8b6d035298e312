{#- Of the two ways, multiplied and divided, the query takes the one that stands out more from the fit's weeks. -#}
{% macro moves_of(counts, usual_weeks, token_groups) -%}
    select
        * exclude (higher, lower, usual_higher, usual_lower),
        case when is_higher then higher when not is_higher then lower end as rescaled,
        round(case when is_higher then higher / usual_higher else lower / usual_lower end, 6)::double as rescaled_times
    from (
        select
            *,
            case
                when usual_higher is null and usual_lower is null then null
                else coalesce(higher / usual_higher >= lower / usual_lower, usual_lower is null)
            end as is_higher
        from ({{ _moves_of(counts, usual_weeks, token_groups) }}) as both_ways
    ) as ways
{%- endmacro %}

{% macro _moves_of(counts, usual_weeks, token_groups) -%}
    select
        totals.period,
        totals.source,
        totals.key,
        round({{ moved_share(
            'coalesce(grouped.n, 0)', 'totals.n', 'usual.share', 'usual.spread', 'usual.week_values', 'usual.weeks'
        ) }}, 9)::double as moved,
        round(sum(grouped.placed) / sum(grouped.n_placed), 6)::double as place,
        {%- for way in ['higher', 'lower'] %}
        round({{ rescaled_share(
            'coalesce(grouped.n, 0)', 'totals.n', 'usual.share', 'usual.' ~ way ~ '_weight', 'usual.week_values'
        ) }}, 9)::double as {{ way }},
        any_value(usual.usual_{{ way }}) as usual_{{ way }} {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from (
        select
            period,
            source,
            key,
            sum(n)::double as n
        from {{ counts }}
        where not is_unseen
        group by all
    ) as totals
    inner join {{ usual_weeks }} as usual on totals.source = usual.source and totals.key = usual.key
    left join (
        select
            counted.period,
            counted.source,
            counted.key,
            groups.token_group,
            sum(counted.n) as n,
            sum(counted.n) filter (where groups.place is not null) as n_placed,
            sum(counted.n * groups.place) as placed
        from {{ counts }} as counted
        inner join {{ token_groups }} as groups using (source, key, token_id)
        where not counted.is_unseen
        group by all
    ) as grouped
        on
            totals.period = grouped.period and totals.source = grouped.source and totals.key = grouped.key
            and usual.token_group = grouped.token_group
    group by totals.period, totals.source, totals.key
{%- endmacro %}
