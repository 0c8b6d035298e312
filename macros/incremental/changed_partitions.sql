{#-
    The partitions whose tokens must be made again: those that changed since the tokens were built, those that are gone
    (no events), and those with quarantined events. A late event changes the partition of its own day, however old. If
    the tokens are stale, all partitions.
-#}
{% macro changed_partitions(partitions) -%}
    {%- set stale = tokens_are_stale('event_tokens') -%}
    {%- set aside = '' if stale else set_aside_events() -%}
    select
        coalesce(present.day, built.day) as day,
        coalesce(present.bucket, built.bucket) as bucket,
        coalesce(present.events, 0) as events,
        coalesce(present.checksum, 0) as checksum
    from {{ partitions }} as present
    full join {{ tokens_relation('built_partitions') }} as built on {{ same_partition('present', 'built') }}
    {%- if not stale %}
    where
        built.events is distinct from present.events
        or built.checksum is distinct from present.checksum
        {%- if aside %}
        or exists (select 1 from ({{ aside }}) as aside where {{ in_partition('aside', 'present') }})
        {%- endif %}
    {%- endif %}
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

{#- The first and last day of the partitions that must be made again, in the form of `days_of`. -#}
{% macro changed_days(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(_days_of(changed_partitions(partitions))) }}
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
