{#-
    Builds compare only numbers, users and moments, because token ids differ only if somebody wrote into the table.
    Partitions that differ are forgotten, so that the next build makes them again.
-#}
{% macro hold_tokens_against_events() -%}
    {%- if execute and var('check_all_events') and not is_candidate() and flags.WHICH == 'build'
        and not tokens_are_stale() -%}
        {%- do run_query(_partitions_looked_at()) -%}
        {%- do run_query(_tokens_again()) -%}
        {%- set unlike = run_query(_tokens_unlike()).rows -%}
        {%- if unlike -%}
            {%- do run_query(forget_partitions('tokens_unlike')) -%}
            {{ _refuse_unlike(unlike) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
    Partitions of about `tokens_checked` events in all, chosen by a hash that changes with what was built, so that each
    check of a growing dataset takes others. Partitions that changed since, or have quarantined rows, are left out.
-#}
{% macro _partitions_looked_at() -%}
    create or replace temp table looked_at as
    select
        day,
        bucket
    from (
        select
            ingested.day,
            ingested.bucket,
            sum(ingested.kept) over (
                order by {{ content_hash(['ingested.day', 'ingested.bucket', 'state.checksum']) }}, ingested.day, ingested.bucket
                rows between unbounded preceding and 1 preceding
            ) as events_before
        from {{ tokens_relation('_ingested') }} as ingested
        inner join {{ contract_relation('event_partitions') }} as present
            on {{ same_partition('ingested', 'present') }} and ingested.events = present.events and ingested.checksum = present.checksum
        cross join (
            select {{ checksum_of_checksums('checksum') }} as checksum from {{ tokens_relation('_ingested') }}
        ) as state
        where ingested.kept = ingested.events - ingested.repeats
    ) as in_some_order
    where coalesce(events_before, 0) < {{ var('tokens_checked') }}
{%- endmacro %}

{% macro _tokens_again() -%}
    {%- set spec = tokenizer_spec(fit_relation('tokenizer')) -%}
    create or replace temp table events_again as
    select events.*
    from {{ contract_relation('events') }} as events
    inner join looked_at on {{ in_partition('events', 'looked_at') }}
    where {{ within('events.ts', first_and_last_day('from looked_at')) }};
    create or replace temp table texts_again as
    {{ encoded_texts(spec, 'events_again', '(select null::map(varchar, varchar) as attributes where false) as nobody') }};
    create or replace temp table tokens_again as from {{ tokens_relation('event_tokens') }} limit 0;
    insert into tokens_again by name
    {{ tokenize_events(spec, 'events_again', 'texts_again') }}
{%- endmacro %}

{#- The number of rows of each partition that differ, and the first of them as an example. -#}
{% macro _tokens_unlike() -%}
    create or replace temp table tokens_unlike as
    select
        day,
        bucket,
        greatest(sum(greatest(extra, 0)), sum(greatest(-extra, 0)))::bigint as rows,
        min(user_id || ' at ' || ts::varchar) as example
    from (
        select
            {{ event_day('ts') }} as day,
            {{ event_bucket('user_id') }} as bucket,
            user_id,
            ts,
            sum(one) as extra
        from (
            {%- for relation, one in [(tokens_relation('event_tokens'), 1), ('tokens_again', -1)] %}
            select
                tokens.user_id,
                tokens.ts,
                {{ content_hash([
                    'event_id', 'content_hash', 'source', 'key_ids', 'value_ids', 'positions', 'texts', 'tokens_cut', 'hour',
                    'weekday', 'monthday'
                ]) }} as content,
                {{ one }} as one
            from {{ relation }} as tokens
            inner join looked_at on {{ in_partition('tokens', 'looked_at') }}
            where {{ within('tokens.ts', first_and_last_day('from looked_at')) }}
            {{- ' union all' if not loop.last }}
            {%- endfor %}
        ) as both_sides
        group by user_id, ts, content
        having sum(one) <> 0
    ) as unlike
    group by day, bucket;
    select day::varchar, bucket, rows, example from tokens_unlike order by day, bucket
{%- endmacro %}

{% macro _refuse_unlike(unlike) -%}
    {%- set said = [] -%}
    {%- for day, bucket, rows, example in unlike[:5] -%}
        {%- do said.append(day ~ ' (users of bucket ' ~ bucket ~ '): ' ~ rows ~ ', for example ' ~ example) -%}
    {%- endfor -%}
    {%- if unlike | length > 5 -%} {%- do said.append('and ' ~ (unlike | length - 5) ~ ' more') -%} {%- endif -%}
    {{ refuse(
        'rows of tokens.event_tokens are not what contract.events says\n' ~ said | join('\n'),
        'pragma build, which makes those days again; then all others: pragma validate --var tokens_checked=1000000000'
    ) }}
{%- endmacro %}
