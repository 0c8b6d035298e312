{{ config(materialized='arrivals') }}

{%- set changed_partitions = ref('changed_partitions') -%}

with

events as (
    select * from {{ ref('events') }}
),

{% if tokens_are_stale('event_tokens') -%}
final as (
    select * from events
)
{%- else -%}
changed as (
    select * from {{ changed_partitions }}
),

final as (
    select events.*
    from events
    inner join changed on {{ in_partition('events', 'changed') }}
    where {{ within('events.ts', days_of(changed_partitions)) }}
)
{%- endif %}

select * from final
