{#-
    How event tokens are written: a partition that changed is replaced as a whole, so that events that left, changed or
    arrived are all covered. The tokens and the record of them are written in one transaction.
-#}
{% macro get_incremental_partitions_sql(arguments) -%}
    {%- set target_relation, made = arguments.target_relation, arguments.temp_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set changed = contract_relation('changed_partitions') -%}
    {%- if tokens_are_stale(target_relation.identifier) %}
    insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ made }}
    {%- else %}
    {%- set of_changed -%}
    where {{ within('written.ts', days_of(changed)) }}
        and exists (select 1 from {{ changed }} as changed where {{ in_partition('written', 'changed') }})
    {%- endset %}
    create or replace temp table changed_moments as
    {{ changed_moments('(select * from ' ~ target_relation ~ ' as written ' ~ of_changed ~ ')', made) }};
    delete from {{ target_relation }} as written {{ of_changed }};
    insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ made }} as written {{ of_changed }}
    {%- endif %}
{%- endmacro %}

{#- Users and moments whose tokens, in the order of a history, differ before and after. -#}
{% macro changed_moments(before, after) -%}
    select
        user_id,
        ts
    from (
        {%- for rows in (before, after) %}
        select
            user_id,
            ts,
            {{ content_hash([
                'list(' ~ content_hash(['source', 'key_ids', 'value_ids', 'positions', 'texts', 'hour', 'weekday', 'monthday'])
                ~ ' order by event_id nulls first, value_ids, key_ids, positions, texts)'
            ]) }} as content
        from {{ rows }} as tokens
        group by user_id, ts
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as both_times
    group by user_id, ts
    having count(*) = 1 or min(content) <> max(content)
{%- endmacro %}

{#- Stop if all tokens must be made again, but contract.new_events holds only the events that arrived. -#}
{% macro refuse_part_of_events(event_tokens) -%}
    {%- if execute and tokens_are_stale(event_tokens.identifier) -%}
        {%- set ready = load_relation(contract_relation('new_events')) -%}
        {%- if ready is not none and ready.is_table -%}
            {{ refuse(
                'tokens.event_tokens has to be made anew, but contract.new_events holds only what arrived last',
                'pragma build --select +event_tokens' ~ (' --refit' if flags.FULL_REFRESH)
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro contract_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='contract', identifier=name)) }}
{%- endmacro %}

{#- After the tokens are written: record the users who have some, so that other queries need not scan all events. -#}
{% macro keep_users(event_tokens, arrived) -%}
    {%- set users = tokens_relation('built_users') -%}
    {%- if tokens_are_stale(event_tokens.identifier) or not run_query('from ' ~ users ~ ' limit 1').rows -%}
    delete from {{ users }};
    insert into {{ users }} select distinct user_id from {{ event_tokens }};
    {%- else -%}
    insert into {{ users }}
    select distinct user_id from {{ arrived }} where user_id not in (select seen.user_id from {{ users }} as seen);
    create or replace temp table perhaps_gone as
    select distinct user_id from changed_moments where user_id not in (select new.user_id from {{ arrived }} as new);
    delete from {{ users }}
    where
        user_id in (select gone.user_id from perhaps_gone as gone)
        and user_id not in (
            select there.user_id
            from {{ event_tokens }} as there
            inner join perhaps_gone as gone on there.user_id = gone.user_id
        );
    {%- endif -%}
{%- endmacro %}
