{#-
    Per day, source and key: how many values, how many of them [UNK], and the population stability index of
    its tokens against the fit, sum((p - q) * ln(p / q)), with shares of at least 1e-4. Text has none.
-#}
{% macro drift_of_known_keys(counted, token_shares) -%}
    select
        seen.day,
        seen.source,
        seen.key,
        sum(seen.n)::bigint as n,
        false as is_unseen,
        (coalesce(sum(seen.n) filter (where seen.token_id = 2), 0) / sum(seen.n))::double as unk_share,
        any_value(seen.fit_unk_share) as fit_unk_share,
        -- Rounded: in what order threads add up must not show.
        case when bool_or(seen.fit_share is not null) then round(sum(
            (greatest(seen.share, 1e-4) - greatest(coalesce(seen.fit_share, 0), 1e-4))
            * ln(greatest(seen.share, 1e-4) / greatest(coalesce(seen.fit_share, 0), 1e-4))
        ), 9) end::double as psi
    from (
        select
            pairs.day,
            pairs.source,
            pairs.key,
            pairs.token_id,
            coalesce(counts.n, 0) as n,
            coalesce(counts.n, 0) / pairs.total as share,
            shares.share as fit_share,
            coalesce(unknown.share, 0) as fit_unk_share
        from (
            -- Every token that the day or the fit has.
            select
                totals.day,
                totals.source,
                totals.key,
                totals.total,
                tokens.token_id
            from (select day, source, key, sum(n) as total from {{ counted }} group by all) as totals
            inner join (
                select source, key, token_id from {{ token_shares }}
                union
                select source, key, token_id from {{ counted }}
            ) as tokens
                on totals.source = tokens.source and totals.key = tokens.key
        ) as pairs
        left join {{ counted }} as counts using (day, source, key, token_id)
        left join {{ token_shares }} as shares using (source, key, token_id)
        left join (select source, key, share from {{ token_shares }} where token_id = 2) as unknown using (source, key)
    ) as seen
    group by seen.day, seen.source, seen.key
{%- endmacro %}

{#- Keys that the fit never saw with their source, less those that are dropped on purpose. -#}
{% macro unseen_keys(events, days, span, source_values, overrides) -%}
    select
        found.day,
        found.source,
        found.key,
        count(*)::bigint as n,
        true as is_unseen,
        null::double as unk_share,
        null::double as fit_unk_share,
        null::double as psi
    from (
        select
            {{ event_day('ts') }} as day,
            source,
            unnest(map_keys(fields)) as key
        from {{ events }}
        where {{ within('ts', span) }} and {{ event_day('ts') }} in (select day from {{ days }})
    ) as found
    where
        not exists (
            select 1 from {{ source_values }} as seen
            where seen.source is not distinct from found.source and seen.key = found.key
        )
        and found.key not in (select key from {{ overrides }} where kind = 'drop')
    group by found.day, found.source, found.key
{%- endmacro %}

{#-
    The days, sources and keys of the last week that lie beyond the thresholds `drift_<level>`. Fewer than
    `drift_min_values` values a day tell nothing.
-#}
{% macro drifted(token_drift, level) -%}
    {%- set limits = var('drift_' ~ level) -%}
    select *
    from {{ token_drift }}
    where
        day > (select max(last.day) from {{ token_drift }} as last) - {{ var('drift_days') }}
        and n >= {{ var('drift_min_values') }}
        and (
            psi >= {{ limits.psi }}
            or unk_share - fit_unk_share >= {{ limits.unk_share }}
            {% if limits.unseen_keys %}or is_unseen{% endif %}
        )
    order by day, source, key
{%- endmacro %}
