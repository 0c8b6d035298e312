{#-
    The number of rows in each partition that repeat an event of another row, and so do not count. Hashes are sorted to find
    repeats, because sorting is cheaper than grouping; if no hash occurs twice, the events are not read a second time.
-#}
{% macro repeats_by_partition(events, partitions) -%}
    select
        copies.day,
        copies.bucket,
        sum(copies.rows - 1)::bigint as repeats
    from (
        select
            {{ event_day('ts') }} as day,
            {{ event_bucket('user_id') }} as bucket,
            count(*) as rows
        from {{ events }}
        where
            user_id is not null and ts is not null
            and {{ content_hash(event_identity()) }} in (
                select sorted.identity
                from (
                    select
                        identity,
                        lag(identity) over (order by identity) as before
                    from (
                        select {{ content_hash(event_identity()) }} as identity
                        from {{ events }}
                        inner join {{ partitions }} on {{ in_partition(events, partitions) }}
                        where user_id is not null and ts is not null
                    ) as identified
                ) as sorted
                where sorted.identity = sorted.before
            )
        group by {{ event_day('ts') }}, {{ event_bucket('user_id') }}, {{ event_identity() | join(', ') }}
        having count(*) > 1
    ) as copies
    group by copies.day, copies.bucket
{%- endmacro %}

{#- The partitions of the last build, whose repeats are known; a subquery, empty where repeats must be counted again. -#}
{% macro counted_repeats(event_partitions) -%}
    {%- if execute and not flags.FULL_REFRESH and load_relation(event_partitions) is not none
        and has_column(event_partitions, 'repeats') -%}
    {{ event_partitions }}
    {%- else -%}
    (select null::date as day, 0::ubigint as bucket, 0 as events, 0::ubigint as checksum, 0 as repeats where false)
    {%- endif -%}
{%- endmacro %}

{#- The partitions that are not as they were. -#}
{% macro other_partitions(present, known) -%}
    select
        present.day,
        present.bucket
    from {{ present }} as present
    left join {{ known }} as known on {{ same_partition('present', 'known') }}
    where known.events is distinct from present.events or known.checksum is distinct from present.checksum
{%- endmacro %}

{#- The days of the partitions that hold repeated events, in the form of `days_of`; none if there are none. -#}
{% macro repeated_days(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, false]) }} {%- endif -%}
    {{ return(_days_of('from ' ~ partitions ~ ' where repeats > 0')) }}
{%- endmacro %}
