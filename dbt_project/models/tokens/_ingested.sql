{%- set changed_partitions, rejected = ref('changed_partitions'), ref('rejected') -%}
{%- set ingested = none if is_whole(changed_partitions) else last_build('_ingested') -%}

-- depends_on: {{ ref('_histories') }}
with

changed as (
    select * from {{ changed_partitions }} where events > 0
),

written as (
    {{ token_partitions(ref('event_tokens'), changed_partitions if ingested else none) }}
),

set_aside as (
    select distinct
        {{ event_day("try_cast(content ->> '$.ts' as timestamp)") }} as day,
        {{ event_bucket("(content ->> '$.user_id')") }} as bucket
    from {{ rejected }}
    where relation = 'events'
),

-- Events are counted only where some were set aside; elsewhere all but the repeats are there.
left_over as (
    select
        set_aside.day,
        set_aside.bucket,
        count(events.user_id) as events
    from set_aside
    left join {{ ref('new_events') }} as events on {{ in_partition('events', 'set_aside') }}
    group by set_aside.day, set_aside.bucket
),

final as (
    select
        changed.day,
        changed.bucket,
        changed.events,
        changed.checksum,
        changed.repeats,
        coalesce(left_over.events, changed.events - changed.repeats) as kept,
        written.checksum as tokens_checksum,
        {{ content_probe() }} as probe
    from changed
    left join written on {{ same_partition('changed', 'written') }}
    left join left_over on {{ same_partition('changed', 'left_over') }}
    {%- if ingested %}
    union all
    select ingested.*
    from {{ ingested }} as ingested
    left join {{ changed_partitions }} as other on {{ same_partition('other', 'ingested') }}
    where other.bucket is null
    {%- endif %}
)

select * from final
