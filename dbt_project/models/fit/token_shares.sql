with

source_values as (
    select
        source,
        key,
        value,
        n,
        {{ parse_number('value') }} as number
    from {{ ref('source_values') }}
    where source is not null
),

field_tokens as (
    select
        key,
        kind,
        first_id,
        categories
    from {{ ref('field_tokens') }}
    where kind in ('category', 'numeric')
),

bins as (
    select
        key,
        bin,
        lower_edge,
        upper_edge
    from {{ ref('numeric_bins') }}
),

numbered as (
    select
        source_values.source,
        source_values.key,
        source_values.n,
        case
            when field_tokens.kind = 'numeric' then field_tokens.first_id + bins.bin
            else field_tokens.first_id + list_position(field_tokens.categories, source_values.value) - 1
        end as token_id
    from source_values
    inner join field_tokens on source_values.key = field_tokens.key
    left join bins
        on
            field_tokens.kind = 'numeric'
            and source_values.key = bins.key
            and case
                when source_values.number = 0 then bins.bin = 0
                else {{ in_bin('source_values.number', 'bins') }}
            end
),

final as (
    select
        source,
        key,
        coalesce(token_id, {{ unk_id() }})::integer as token_id,
        sum(n)::bigint as n,
        (sum(n) / sum(sum(n)) over (partition by source, key))::double as share
    from numbered
    group by source, key, coalesce(token_id, {{ unk_id() }})
)

select * from final
order by source, key, token_id
