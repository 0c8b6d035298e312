with

source_values as (
    select
        source,
        key,
        value,
        n
    from {{ ref('source_values') }}
    where source is not null
),

sources as (
    select
        value as source,
        n as events
    from source_values
    where key = 'source' and value in (select value from {{ ref('categories') }} where key = 'source')
),

counted as (
    select
        source_values.source,
        source_values.key,
        sum(source_values.n) as n
    from source_values
    inner join {{ ref('fields') }} as fields on source_values.key = fields.key
    where source_values.key <> 'source'
    group by source_values.source, source_values.key
),

of_sources as (
    select
        sources.source,
        coalesce(list(counted.key order by counted.key) filter (where counted.key is not null), []) as keys,
        coalesce(list(counted.key order by counted.key) filter (where counted.n = sources.events), []) as always
    from sources
    left join counted on sources.source = counted.source
    group by sources.source
),

final as (
    select
        list(source order by source) as sources,
        keys,
        always
    from of_sources
    group by keys, always
)

select * from final
order by sources
