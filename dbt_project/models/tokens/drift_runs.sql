{{ config(materialized='ephemeral') }}

with

weeks as (
    select * from {{ ref('weekly_drift') }}
    where is_enough and not is_unseen
),

latest as (
    select max(week) - {{ var('drift_weeks') | int * 7 }} as week from {{ ref('weekly_drift') }}
),

ends as (
    select
        source,
        key,
        max(week) as last_beyond
    from weeks
    where is_beyond
    group by source, key
),

-- The last week within the limits before the last week beyond them.
starts as (
    select
        ends.source,
        ends.key,
        max(weeks.week) as last_within
    from ends
    left join weeks
        on
            ends.source = weeks.source and ends.key = weeks.key
            and weeks.week < ends.last_beyond and not weeks.is_beyond
    group by ends.source, ends.key, ends.last_beyond
    having ends.last_beyond > (select latest.week from latest)
),

final as (
    select
        weeks.source,
        weeks.key,
        min(weeks.week) as since,
        sum(weeks.n)::bigint as n,
        round(sum(weeks.n * weeks.unk_share) / sum(weeks.n), 9)::double as unk_share,
        min_by(weeks.unk_share, weeks.week) as first_unk_share,
        max(weeks.fit_unk_share) as fit_unk_share,
        round(sum(weeks.n * weeks.moved) / sum(weeks.n), 9)::double as moved,
        min_by(weeks.moved, weeks.week) as first_moved,
        round(sum(weeks.n * weeks.rescaled) / sum(weeks.n), 9)::double as rescaled,
        min_by(weeks.rescaled, weeks.week) as first_rescaled,
        bool_and(weeks.is_rescaled) as is_rescaled,
        min_by(weeks.is_higher, weeks.week) as is_higher,
        round(sum(weeks.n * weeks.place) / sum(weeks.n), 6)::double as place,
        round(sum(weeks.n * weeks.harm) / sum(weeks.n), 9)::double as harm,
        bool_or(weeks.is_far_beyond) as is_far_beyond
    from weeks
    inner join starts on weeks.source = starts.source and weeks.key = starts.key
    where weeks.is_beyond and (starts.last_within is null or weeks.week > starts.last_within)
    group by weeks.source, weeks.key
)

select * from final
