{%- set changed_partitions = ref('changed_partitions') -%}
{%- set whole = is_whole(changed_partitions) -%}
{%- set event_tokens, histories = last_build('event_tokens'), last_build('_histories') -%}
{%- set unapplied = last_build('changed_histories') -%}

-- depends_on: {{ ref('new_tokens') }}
{% if whole or not (event_tokens and histories) -%}
select
    null::varchar as user_id,
    null::timestamp as since,
    null::ubigint as change,
    null::ubigint as previous
where false
{%- else -%}
with

changed as (
    select * from {{ changed_partitions }}
),

replaced as (
    select tokens.* from {{ event_tokens }} as tokens
    where
        {{ within('tokens.ts', days_of(changed_partitions)) }}
        and exists (select 1 from changed where {{ in_partition('tokens', 'changed') }})
),

moments as (
    {{ changed_moments('replaced', ref('new_tokens')) }}
),

found as (
    select
        user_id,
        min(ts) as since,
        {{ checksum_of(['ts', 'before', 'after']) }} as change
    from moments
    group by user_id
),

-- Changes that a build found, but was stopped before it added them to the histories.
{% if unapplied -%}
unapplied as (
    select
        earlier.user_id,
        earlier.since,
        earlier.change
    from {{ unapplied }} as earlier
    left join {{ histories }} as histories on earlier.user_id = histories.user_id
    where
        histories.change is distinct from earlier.change
        and (
            histories.user_id is not null
            or earlier.user_id in (select tokens.user_id from {{ event_tokens }} as tokens)
        )
),

{% endif -%}
together as (
    select * from found
    {%- if unapplied %}
    union
    select * from unapplied
    {%- endif %}
),

changes as (
    select
        user_id,
        min(since) as since,
        {{ checksum_of_checksums('change') }} as change
    from together
    group by user_id
),

final as (
    select
        changes.user_id,
        changes.since,
        changes.change,
        histories.version as previous
    from changes
    left join {{ histories }} as histories on changes.user_id = histories.user_id
)

select * from final
{%- endif %}
