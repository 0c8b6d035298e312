{#-
    The partitions of events that are not as they were when the tokens were built. An event that comes
    late changes the partition of its own day, however old.
-#}
{% macro changed_partitions(partitions) -%}
    select
        present.day,
        present.bucket
    from {{ partitions }} as present
    left join {{ tokens_relation('built_partitions') }} as built
        on present.day is not distinct from built.day and present.bucket = built.bucket
    where
        built.events is distinct from present.events
        or built.checksum is distinct from present.checksum
{%- endmacro %}

{#- The first and last day of the changed partitions, as text, none when nothing changed; and whether one has no day. -#}
{% macro changed_days(partitions) -%}
    {%- if not execute or load_relation(partitions) is none -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(run_query(
        'select min(day)::varchar, max(day)::varchar, count(*) > count(day) from ('
        ~ changed_partitions(partitions) ~ ')'
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

{#- After the tokens are written: these users have some, so that nobody need look for them among all events. -#}
{% macro keep_users(event_tokens, arrived) -%}
    {%- set users = tokens_relation('built_users') -%}
    {%- if tokens_are_stale(event_tokens.identifier) or not run_query('from ' ~ users ~ ' limit 1').rows -%}
    delete from {{ users }};
    insert into {{ users }} select distinct user_id from {{ event_tokens }};
    {%- else -%}
    insert into {{ users }}
    select distinct user_id from {{ arrived }} where user_id not in (select seen.user_id from {{ users }} as seen);
    {%- endif -%}
{%- endmacro %}

{#- After the tokens are written: these are the partitions that they were made from. -#}
{% macro keep_partitions(partitions) -%}
    delete from {{ tokens_relation('built_partitions') }};
    insert into {{ tokens_relation('built_partitions') }} select day, bucket, events, checksum from {{ partitions }};
{%- endmacro %}
