{%- set fields = feature_fields(ref('fields'), ref('categories'), checked('profiles')) %}
-- The columns come from the fit, so their indent cannot be told from the template.
-- noqa: disable=LT02
with

moments as (
    select distinct
        user_id,
        eval_ts
    from {{ checked('labels') }}
),

histories as (
    select
        moments.user_id,
        moments.eval_ts,
        events.ts,
        events.fields
    from moments
    left join {{ checked('events') }} as events
        on moments.user_id = events.user_id and events.ts < moments.eval_ts
),

attributes as (
    select
        moments.user_id,
        moments.eval_ts,
        arg_max(profiles.attributes, profiles.as_of) as attributes
    from moments
    inner join {{ checked('profiles') }} as profiles
        on moments.user_id = profiles.user_id and profiles.as_of <= moments.eval_ts
    group by moments.user_id, moments.eval_ts
),

summed as (
    select
        user_id,
        eval_ts,
        count(ts) as events,
        {%- for days in [30, 90, 180] %}
        count(ts) filter (where ts >= eval_ts - interval {{ days }} day) as events_{{ days }}d,
        count(distinct ts::date) filter (where ts >= eval_ts - interval {{ days }} day) as active_days_{{ days }}d,
        {%- endfor %}
        {%- for key in fields.numeric %}
        {%- set number = parse_number('fields[' ~ literal(key) ~ ']') %}
        {%- for days in [30, 90, 180] %}
        sum({{ number }}) filter (where ts >= eval_ts - interval {{ days }} day) as {{ feature_name('sum', key, days ~ 'd') }},
        {%- endfor %}
        sum({{ number }}) as {{ feature_name('sum', key) }},
        avg({{ number }}) as {{ feature_name('mean', key) }},
        max({{ number }}) as {{ feature_name('max', key) }},
        avg(({{ number }} < 0)::integer) as {{ feature_name('negative share', key) }},
        {%- endfor %}
        {%- for key, value in fields.categories %}
        avg((fields[{{ literal(key) }}] = {{ literal(value) }})::integer) as {{ feature_name('share', key, value) }},
        {%- endfor %}
        {%- for key in fields.every_key %}
        count(distinct fields[{{ literal(key) }}]) as {{ feature_name('distinct', key) }},
        {%- endfor %}
        date_diff('day', max(ts), eval_ts) as days_since_last,
        date_diff('day', min(ts), eval_ts) as days_since_first
    from histories
    group by user_id, eval_ts
),

final as (
    select
        summed.*
        {%- for key, value in fields.attributes -%},
        (attributes.attributes[{{ literal(key) }}] = {{ literal(value) }})::integer as {{ feature_name('is', key, value) }}
        {%- endfor %}
    from summed
    left join attributes on summed.user_id = attributes.user_id and summed.eval_ts = attributes.eval_ts
)

select * from final
