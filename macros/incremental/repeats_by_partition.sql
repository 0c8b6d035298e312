{#-
    Hashes are sorted to find repeats, because sorting is cheaper than grouping; if no hash occurs twice, the events are
    not read a second time.
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
