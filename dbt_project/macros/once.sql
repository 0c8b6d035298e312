{#- How many rows of each partition say again what another says: rows that do not count. -#}
{% macro repeats_by_partition(events, partitions) -%}
    {#- Sorting is cheaper than grouping; and where no hash is seen twice, nothing is read again. -#}
    select
        copies.day,
        copies.bucket,
        sum(copies.rows - 1)::bigint as repeats
    from (
        select
            twice.day,
            twice.bucket,
            count(*) as rows
        from {{ events }}
        inner join (
            select distinct
                hashed.day,
                hashed.bucket
            from (
                select
                    day,
                    bucket,
                    identity,
                    lag(identity) over (order by identity) as before
                from (
                    select
                        {{ partitions }}.day,
                        {{ partitions }}.bucket,
                        {{ content_hash(event_identity()) }} as identity
                    from {{ events }}
                    inner join {{ partitions }} on {{ in_partition(events, partitions) }}
                    where user_id is not null and ts is not null
                ) as identified
            ) as hashed
            where hashed.identity = hashed.before
        ) as twice
            on {{ in_partition(events, 'twice') }}
        where user_id is not null and ts is not null
        group by twice.day, twice.bucket, {{ event_identity() | join(', ') }}
        having count(*) > 1
    ) as copies
    group by copies.day, copies.bucket
{%- endmacro %}

{#- The days of the partitions that hold such rows; none where there are none. -#}
{% macro repeated_days(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, false]) }} {%- endif -%}
    {{ return(days_of(partitions)) }}
{%- endmacro %}
