{#-
    The state of each day when its tokens were counted, as a subquery. It is empty before a first count, and when all days
    must be counted again.
-#}
{% macro counted_days() -%}
    {%- if tokens_are_stale('token_counts') or load_relation(tokens_relation('counted_days')) is none -%}
    (select null::date as day, 0 as tokenised, 0 as events, null::ubigint as checksum where false)
    {%- else -%}
    {{ tokens_relation('counted_days') }}
    {%- endif -%}
{%- endmacro %}

{#- Before days are counted again: delete their present counts, also those of days that are gone. -#}
{% macro forget_counts(relation, days) -%}
    {%- if execute and is_incremental() -%}
    delete from {{ relation }} where day in (select changed.day from {{ days }} as changed)
    {%- endif -%}
{%- endmacro %}

{#- In the transaction that counts days: record the state of each. -#}
{% macro keep_counted_days(days) -%}
    {%- set marks = tokens_relation('counted_days') -%}
    create table if not exists {{ marks }} (day date, tokenised bigint, events bigint, checksum ubigint);
    {%- if execute and not is_incremental() %}
    delete from {{ marks }};
    {%- endif %}
    delete from {{ marks }} where day in (select changed.day from {{ days }} as changed);
    insert into {{ marks }}
    select day, tokenised, events, checksum from {{ days }} where tokenised is not null;
{%- endmacro %}

{#- The first and last of the days to count, as text, so that a reader can skip row groups by their statistics. -#}
{% macro recounted_span(days) -%}
    {%- if not execute or load_relation(days) is none -%} {{ return([none, none]) }} {%- endif -%}
    {{ return(run_query('select min(day)::varchar, max(day)::varchar from ' ~ days).rows[0] | list) }}
{%- endmacro %}
