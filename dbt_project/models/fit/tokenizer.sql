with

vocabulary as (
    select * from {{ ref('vocabulary') }}
),

keys as (
    select
        key,
        token_id
    from vocabulary
    where kind = 'key'
),

-- Of a numeric key its bin for zero, of a text_embed key its one token.
first_ids as (
    select
        key,
        min(token_id) as first_id
    from vocabulary
    where kind in ('number', 'text_embed')
    group by key
),

edges as (
    select
        key,
        list(upper_edge order by upper_edge) filter (where bin > 0 and upper_edge is not null) as edges
    from {{ ref('numeric_bins') }}
    group by key
),

fields as (
    select
        list(
            {
                'key': fields.key,
                'kind': fields.kind,
                'key_id': keys.token_id,
                'static': fields.static,
                'first_id': first_ids.first_id,
                'edges': edges.edges
            }
            order by fields.key
        ) as fields
    from {{ ref('fields') }} as fields
    inner join keys on fields.key = keys.key
    left join first_ids on fields.key = first_ids.key
    left join edges on fields.key = edges.key
    where fields.key not in ('source', 'milestone')
),

settings as (
    select
        to_json({
            'fields': coalesce(fields.fields, []),
            'unk_id': 2,
            'source_key_id': coalesce((select token_id from keys where key = 'source'), 2),
            'milestone_key_id': coalesce((select token_id from keys where key = 'milestone'), 2),
            'first_piece_id': coalesce((select min(token_id) from vocabulary where kind = 'text'), 0),
            'number_rule': {{ number_rule() }},
            'calendar_tz': {{ literal(var('calendar_tz')) }},
            'max_event_tokens': {{ var('max_event_tokens') }},
            'max_profile_tokens': {{ var('max_profile_tokens') }},
            'bpe_hash': bpe.bpe_hash
        })::varchar as spec,
        bpe.bpe
    from fields
    cross join {{ ref('bpe') }} as bpe
),

digest as (
    select
        count(*) as vocabulary_size,
        sha256(string_agg(to_json([kind, key, value])::varchar, chr(10) order by token_id)) as vocabulary_hash
    from vocabulary
),

final as (
    select
        sha256(settings.spec || digest.vocabulary_hash) as tokenizer_hash,
        digest.vocabulary_size::integer as vocabulary_size,
        population.fit_until,
        {{ literal(split_rule()) }} as split_rule,
        settings.spec,
        settings.bpe
    from settings
    cross join digest
    cross join {{ ref('population') }} as population
)

select * from final
