{#-
    The partitions of events that are to be made anew: those that are not as they were when the tokens were
    built, those that are gone (no events), and those of which a build set events aside. An event that comes
    late changes the partition of its own day, however old. All of them, where the tokens are stale.
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

{#- Whether two rows are of one partition; a partition may lack its day. -#}
{% macro same_partition(one, other) -%}
    {{ one }}.day is not distinct from {{ other }}.day and {{ one }}.bucket = {{ other }}.bucket
{%- endmacro %}

{#- Whether an event lies in a partition. -#}
{% macro in_partition(event, partition) -%}
    {{ event_day(event ~ '.ts') }} is not distinct from {{ partition }}.day
    and {{ event_bucket(event ~ '.user_id') }} = {{ partition }}.bucket
{%- endmacro %}

{#- The first and last day of partitions, as text, none when there are none; and whether one has no day. -#}
{% macro days_of(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(_days_of('from ' ~ partitions)) }}
{%- endmacro %}

{#- The same of those that are to be made anew. -#}
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
    Whether a moment lies in those days, in a form that a file's statistics can answer: not with `or`, unless
    there are rows without a moment.
-#}
{% macro within(ts, days) -%}
    {%- set or_none = days | length > 2 and days[2] -%}
    {%- if days[0] is none -%} {{ ts ~ ' is null' if or_none else 'false' }}
    {%- else -%}
    ({% if or_none %}{{ ts }} is null or {% endif %}{{ ts }} >= date {{ literal(days[0]) }} and {{ ts }} < date {{ literal(days[1]) }} + interval 1 day)
    {%- endif -%}
{%- endmacro %}
