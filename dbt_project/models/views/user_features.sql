{%- set fields = feature_fields(ref('fields'), ref('source_values'), ref('categories')) %}
-- The columns come from the fit, so sqlfluff cannot check their indent.
-- noqa: disable=LT02
with

moments as (
    select distinct
        user_id,
        eval_ts
    from {{ checked_ref('labels') }}
),

{{ feature_events(checked_ref('events')) }},

counts as (
    select
        user_id,
        eval_ts,
        {{- event_counts() }}
    from histories
    group by user_id, eval_ts
),

dated as (
    select
        user_id,
        eval_ts,
        ts::date as day,
        min(age) as age
    from histories
    group by user_id, eval_ts, day
),

days as (
    select
        user_id,
        eval_ts
        {%- for days in feature_spans() %},
        count(*) {{- in_window(days) }} as days_{{ days }}
        {%- endfor %}
    from dated
    group by user_id, eval_ts
),

{{ feature_numbers(fields, ref('numeric_bins'), ref('categories')) }},

{{ feature_words(fields, ref('categories')) }},

attributes as (
    select
        moments.user_id,
        moments.eval_ts,
        arg_max(profiles.attributes, profiles.as_of) as attributes
    from moments
    inner join {{ checked_ref('profiles') }} as profiles
        on moments.user_id = profiles.user_id and profiles.as_of <= moments.eval_ts
    group by moments.user_id, moments.eval_ts
),

final as (
    select
        moments.user_id,
        moments.eval_ts
        {%- for column in feature_columns(fields) %},
        {{ column.sql }} as {{ feature_name(column.name) }}
        {%- endfor %}
    from moments
    left join counts on moments.user_id = counts.user_id and moments.eval_ts = counts.eval_ts
    left join days on moments.user_id = days.user_id and moments.eval_ts = days.eval_ts
    left join attributes on moments.user_id = attributes.user_id and moments.eval_ts = attributes.eval_ts
    {{- joined_features(fields) }}
)

select * from final
