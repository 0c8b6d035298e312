{%- set days = repeated_days(ref('event_partitions')) -%}

with

delivered as not materialized (
    select * from {{ ref('delivered_events') }}
),

{% if days[0] -%}
repeated as (
    select
        day,
        bucket
    from {{ ref('event_partitions') }}
    where repeats > 0
),

unique_anyway as (
    select delivered.*
    from delivered
    where not exists (select 1 from repeated where {{ in_partition('delivered', 'repeated') }})
),

made_unique as (
    select delivered.*
    from delivered
    inner join repeated on {{ in_partition('delivered', 'repeated') }}
    where {{ within('delivered.ts', days) }}
    {{ first_of_each_event() }}
),

final as (
    select * from unique_anyway
    union all
    select * from made_unique
)
{%- else -%}
final as (
    select * from delivered
)
{%- endif %}

select * from final
