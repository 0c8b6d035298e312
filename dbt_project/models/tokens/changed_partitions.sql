{%- set ingested = last_build('_ingested') -%}

with

final as (
    {{ changed_partitions(ref('event_partitions'), none if tokens_are_stale() else ingested) }}
)

select * from final
