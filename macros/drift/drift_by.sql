{% macro drift_by(period, name, token_counts, usual_weeks, token_groups, population, whole='false', days=none) -%}
    with counts as (
        select
            {{ period }} as period,
            source,
            key,
            token_id,
            is_unseen,
            sum(n) as n
        from {{ token_counts }}
        where
            day >= {{ literal(fit_population(population).fit_until) }}::timestamp
            {% if days %}and day in (select of_period.day from {{ days }} as of_period){% endif %}
        group by all
    ),

    drift as (
        {{ _drift_of('counts', usual_weeks, token_groups, whole) }}
    )

    select
        period as {{ name }},
        * exclude (period),
        {{ _beyond('warn') }} or {{ _beyond_rescaled() }} as is_beyond,
        {{ _beyond('error') }} as is_far_beyond,
        {{ _beyond_rescaled() }} and not {{ _beyond('warn') }} as is_rescaled
    from drift
{%- endmacro %}

{#-
    How far the values of each period, source and key differ from the fit's. `counts` has period, source, key, token_id, n
    and is_unseen; `whole` says whether a period is a full week. Part of a week is judged when it holds half as many
    values as a usual week. Results are rounded, so that they do not depend on the order in which threads add.
-#}
{% macro _drift_of(counts, usual_weeks, token_groups, whole='false') -%}
    select
        keys.period,
        keys.source,
        keys.key,
        keys.n::bigint as n,
        round(keys.n / periods.n, 9)::double as of_all,
        keys.is_unseen,
        {{ whole }} and keys.n >= coalesce(usual.week_values, 0) / 2 as is_whole,
        keys.n >= greatest(
            {{ var('drift_min_values') }}, case when {{ whole }} then 0 else coalesce(usual.week_values, 0) / 2 end
        ) as is_enough,
        case when not keys.is_unseen then round(keys.unknown / keys.n, 9) end::double as unk_share,
        usual.unk_share as fit_unk_share,
        round(keys.unknown / keys.n - usual.unk_share, 9)::double as unk_growth,
        round((keys.unknown / keys.n - usual.unk_share) / usual.usual_unk_growth, 6)::double as unk_growth_times,
        moves.moved,
        round(moves.moved / usual.usual_moved, 6)::double as moved_times,
        moves.place,
        moves.rescaled,
        moves.rescaled_times,
        moves.is_higher,
        round(keys.n / periods.n * case
            when keys.is_unseen then 1
            else greatest(
                keys.unknown / keys.n - coalesce(usual.unk_share, 0),
                coalesce(moves.moved, 0),
                case when moves.rescaled_times > 1 then least(moves.rescaled, 1) else 0 end
            )
        end, 9)::double as harm
    from (
        select
            period,
            source,
            key,
            is_unseen,
            sum(n) as n,
            coalesce(sum(n) filter (where token_id = {{ unk_id() }}), 0) as unknown
        from {{ counts }}
        group by all
    ) as keys
    inner join (select period, sum(n) as n from {{ counts }} group by all) as periods on keys.period = periods.period
    left join (
        select distinct source, key, week_values, unk_share, usual_unk_growth, usual_moved from {{ usual_weeks }}
    ) as usual
        on keys.source = usual.source and keys.key = usual.key and not keys.is_unseen
    left join ({{ moves_of(counts, usual_weeks, token_groups) }}) as moves
        on keys.period = moves.period and keys.source = moves.source and keys.key = moves.key and not keys.is_unseen
{%- endmacro %}

{#-
    Whether a row of drift is beyond the limits `drift_<level>`: it has enough values, and differs much, both in itself and
    compared with the fit's weeks. Part of a week must differ twice as much as those, because days vary more than weeks.
-#}
{% macro _beyond(level) -%}
    {%- set limits = var('drift_' ~ level) -%}
    {%- set times = limits.times ~ ' * case when is_whole then 1 else 2 end' -%}
    coalesce(not is_unseen
    and is_enough
    and harm >= {{ limits.of_all }}
    and (
        (moved >= {{ limits.moved }} and moved_times >= {{ times }})
        or (unk_growth >= {{ limits.unknown }} and unk_growth_times >= {{ times }})
    ), false)
{%- endmacro %}

{#- Whether a row's numbers look like the fit's times a factor: a build warns of that and does not fail. -#}
{% macro _beyond_rescaled() -%}
    {%- set limits = var('drift_warn') -%}
    coalesce(
        is_enough
        and harm >= {{ limits.of_all }}
        and rescaled >= {{ limits.rescaled }}
        and rescaled_times >= {{ limits.rescaled_times }} * case when is_whole then 1 else 2 end, false
    )
{%- endmacro %}
