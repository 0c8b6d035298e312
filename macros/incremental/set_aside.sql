{#-
    A query of the users and moments of events in quarantine; an empty string if there are none. These events have no
    tokens, so each build looks at their partitions again: a changed rule may release them without any change to the
    source, and until then contract.rejected must go on listing them.
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
        try_cast(content ->> '$.ts' as timestamp) as ts
    from {{ rejected }}
    where relation = 'events'
{%- endmacro %}
