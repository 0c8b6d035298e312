{{ config(materialized='view') }}

with

runs as (
    select
        *,
        ', ' || case
            when unk_share - fit_unk_share >= {{ var('drift_warn').unknown }}
                then {{ share_in_words('first_unk_share') }}
            when is_rescaled then {{ share_in_words('first_rescaled') }}
            else {{ share_in_words('first_moved') }}
        end || ' in the first week' as beginning
    from {{ ref('drift_runs') }}
),

delivered as (
    select
        *,
        ' in what this build brought' as beginning
    from {{ ref('delivery_drift') }}
    where is_beyond and (source, key) not in (select (runs.source, runs.key) from runs)
),

drifted as (
    {% for found in ['runs', 'delivered'] %}
    select
        source, key, since, beginning, unk_share, fit_unk_share, moved, place, rescaled, is_rescaled, is_higher,
        harm, is_far_beyond
    from {{ found }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

drift as (
    select
        source,
        key,
        since,
        harm,
        is_far_beyond,
        key || ' (' || source || '): ' || case
            when unk_share - fit_unk_share >= {{ var('drift_warn').unknown }}
                then
                    {{ share_in_words('unk_share') }} || ' unknown since ' || since || beginning
                    || '; in the fit ' || {{ share_in_words('fit_unk_share') }}
            when is_rescaled
                then
                    {{ share_in_words('rescaled') }} || ' of the values look as the fit''s '
                    || case when is_higher then 'times ' else 'divided by ' end || '{{ var('drift_factor') }}'
                    || ' since ' || since || beginning
            else
                {{ share_in_words('moved') }} || ' of the values moved'
                || case when place > 0.55 then ' up' when place < 0.45 then ' down' else '' end
                || ' since ' || since || beginning
        end || '; ' || {{ share_in_words('harm') }} || ' of all values' as line
    from drifted
),

unseen as (
    select
        source,
        key,
        since,
        of_all as harm,
        false as is_far_beyond,
        case
            when key = 'source'
                then
                    'the fit never saw the source ' || source || ': ' || {{ thousands('n') }}
                    || ' events since ' || since
            else
                'the fit never saw ' || key || ' (' || source || '): ' || {{ thousands('n') }} || ' values since '
                || since || ', for example ' || example
        end as line
    from {{ ref('strangers') }}
),

attributes as (
    select
        null::varchar as source,
        'attributes' as key,
        null::date as since,
        0::double as harm,
        false as is_far_beyond,
        'the fit never saw a key of ' || {{ thousands('rows') }} || ' profiles, for example ' || example as line
    from {{ ref('checks') }}
    where rule = 'profiles_attributes_key_unknown' and rows > 0
),

final as (
    select * from drift
    union all
    select * from unseen
    union all
    select * from attributes
)

select * from final
