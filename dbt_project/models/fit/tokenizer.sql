-- The last of the fit, so that a build up to here is complete.
-- depends_on: {{ ref('settings') }}, {{ ref('token_shares') }}
with

vocabulary as (
    select * from {{ ref('vocabulary') }}
),

field_tokens as (
    select * from {{ ref('field_tokens') }}
),

fields as (
    select list(field_tokens order by index) as fields
    from field_tokens
    where key not in ('source', 'milestone')
),

-- The reserved keys `source` and `milestone`; their id is that of [UNK] if the fit saw no event or milestone.
reserved as (
    select
        wanted.key,
        {
            'key_id': coalesce(field_tokens.key_id, {{ unk_id() }}),
            'first_id': field_tokens.first_id,
            'categories': coalesce(field_tokens.categories, [])
        } as field
    from (select unnest(['source', 'milestone']) as key) as wanted
    left join field_tokens on wanted.key = field_tokens.key
),

source_keys as (
    select list({'sources': sources, 'keys': keys, 'always': always} order by sources) as source_keys
    from {{ ref('source_keys') }}
),

-- The names of its keys are part of what is hashed, so `schemas` stays.
settings as (
    select
        to_json({
            'fields': coalesce(fields.fields, []),
            'source': (select field from reserved where key = 'source'),
            'milestone': (select field from reserved where key = 'milestone'),
            'schemas': coalesce(source_keys.source_keys, []),
            'unk_id': {{ unk_id() }},
            'first_piece_id': coalesce((select min(token_id) from vocabulary where kind = 'text'), 0),
            'number_rule': {{ number_rule() }},
            'calendar_tz': {{ literal(var('calendar_tz')) }},
            'max_event_tokens': {{ var('max_event_tokens') }},
            'max_profile_tokens': {{ var('max_profile_tokens') }},
            'bpe_hash': bpe.bpe_hash
        })::varchar as spec,
        bpe.bpe
    from fields
    cross join source_keys
    cross join {{ ref('bpe') }} as bpe
),

digest as (
    select
        count(*) as vocabulary_size,
        sha256(string_agg(to_json(
            case when mean is null then [kind, key, value] else [kind, key, value, mean::varchar] end
        )::varchar, chr(10) order by token_id)) as vocabulary_hash
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
