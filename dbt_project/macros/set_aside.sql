{#-
    SQL of the events that an earlier build set aside, by what names them; empty text when there are none.
    They have no tokens, so a build asks for them again: they may have been mended without any change to
    their partition, and they are listed as long as they are not.
-#}
{% macro set_aside_events() -%}
    {%- set rejected = load_relation(
        api.Relation.create(database=target.database, schema='contract', identifier='rejected')
    ) if execute -%}
    {%- if not rejected or not run_query('select 1 from ' ~ rejected ~ " where relation = 'events' limit 1").rows -%}
        {{ return('') }}
    {%- endif -%}
    select distinct
        content ->> '$.user_id' as user_id,
        try_cast(content ->> '$.ts' as timestamp) as ts,
        content ->> '$.event_id' as event_id
    from {{ rejected }}
    where relation = 'events'
{%- endmacro %}

{#- The first and last day of the events that a query gives, as text, none without any; and whether one has no day. -#}
{% macro days_of(events) -%}
    {%- if not execute or not events -%} {{ return([none, none, true]) }} {%- endif -%}
    {{ return(run_query(
        'select min(ts::date)::varchar, max(ts::date)::varchar, count(*) > count(ts) from (' ~ events ~ ')'
    ).rows[0] | list) }}
{%- endmacro %}

{#- Whether two rows are named alike. -#}
{% macro same_name(one, other) -%}
    {{ one }}.user_id is not distinct from {{ other }}.user_id
    and {{ one }}.ts is not distinct from {{ other }}.ts
    and {{ one }}.event_id is not distinct from {{ other }}.event_id
{%- endmacro %}
