{%- set tokenizer_hash = tokenizer_spec(ref('tokenizer')).tokenizer_hash -%}

with

present as (
    select
        day,
        {{ content_hash([
            checksum_of(['bucket', 'events', 'checksum', 'kept', 'tokens_checksum']), literal(tokenizer_hash)
        ]) }} as state
    from {{ ref('_ingested') }}
    where day is not null and kept > 0
    group by day
),

counted as (
    {{ counted_days(last_build('token_counts')) }}
),

final as (
    select
        coalesce(present.day, counted.day) as day,
        present.state
    from present
    full outer join counted on present.day = counted.day
    where present.state is distinct from counted.state
)

select * from final
