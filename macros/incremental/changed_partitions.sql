{#-
    The partitions whose tokens must be made again: those that changed since they were tokenised, those that are gone (no
    events), and those with events in quarantine, which a changed rule may release. A late event changes the partition of
    its own day, however old. If the tokens are stale, all partitions.
-#}
{% macro changed_partitions(partitions, ingested) -%}
    select
        coalesce(present.day, ingested.day) as day,
        coalesce(present.bucket, ingested.bucket) as bucket,
        coalesce(present.events, 0) as events,
        coalesce(present.checksum, 0) as checksum,
        coalesce(present.repeats, 0) as repeats,
        {{ 'true' if ingested is none else 'false' }} as is_whole
    from {{ partitions }} as present
    full join {{ ingested or '(select null::date as day, 0::ubigint as bucket where false)' }} as ingested
        on {{ same_partition('present', 'ingested') }}
    {%- if ingested %}
    where
        ingested.events is distinct from present.events
        or ingested.checksum is distinct from present.checksum
        or ingested.kept <> ingested.events - ingested.repeats
    {%- endif %}
{%- endmacro %}

{#- Whether this build makes all tokens again. -#}
{% macro is_whole(changed_partitions) -%}
    {{ return(
        not execute or load_relation(changed_partitions) is none
        or run_query('select bool_or(is_whole) from ' ~ changed_partitions).rows[0][0]
    ) }}
{%- endmacro %}

{#- A condition: two rows are of the same partition; the day may be null. -#}
{% macro same_partition(one, other) -%}
    {{ one }}.day is not distinct from {{ other }}.day and {{ one }}.bucket = {{ other }}.bucket
{%- endmacro %}

{#- A condition: an event lies in a partition. -#}
{% macro in_partition(event, partition) -%}
    {{ event_day(event ~ '.ts') }} is not distinct from {{ partition }}.day
    and {{ event_bucket(event ~ '.user_id') }} = {{ partition }}.bucket
{%- endmacro %}

{#- The first and last day of partitions, as text (none if there are none), and whether a partition has no day. -#}
{% macro days_of(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(_days_of('from ' ~ partitions)) }}
{%- endmacro %}

{#- The days of the partitions that a query gives, in the form of `days_of`; `source` is the relation that it reads. -#}
{% macro days_in(query, source) -%}
    {%- if not execute or load_relation(source) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(_days_of(query)) }}
{%- endmacro %}

{% macro _days_of(partitions) -%}
    {{ return(run_query(
        'select min(day)::varchar, max(day)::varchar, count(*) > count(day) from (' ~ partitions ~ ')'
    ).rows[0] | list) }}
{%- endmacro %}

{#-
    A condition: a moment lies in days given by `days_of`. It has no `or` unless rows lack a moment, so that a reader can
    skip row groups by their statistics.
-#}
{% macro within(ts, days) -%}
    {%- set or_none = days | length > 2 and days[2] -%}
    {%- if days[0] is none -%} {{ ts ~ ' is null' if or_none else 'false' }}
    {%- else -%}
    ({% if or_none %}{{ ts }} is null or {% endif %}{{ ts }} >= date {{ literal(days[0]) }} and {{ ts }} < date {{ literal(days[1]) }} + interval 1 day)
    {%- endif -%}
{%- endmacro %}
