{{ config(materialized='arrivals') }}

{%- set changed_partitions = ref('changed_partitions') -%}

with

events as (
    select * from {{ ref('events') }}
),

{% if is_whole(changed_partitions) -%}
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
