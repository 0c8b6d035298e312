{#-
    SQL of the moments and users of events that an earlier build set aside; empty text when there are none. They have
    no tokens, so a build asks for their partitions again: they may have been mended without any change to the
    source, by another rule, and they are listed as long as they are not.
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
