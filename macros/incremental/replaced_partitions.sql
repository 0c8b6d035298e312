{#- How event tokens are written: a partition that changed is replaced as a whole, in one transaction. -#}
{% macro get_incremental_partitions_sql(arguments) -%}
    {%- set target_relation, made = arguments.target_relation, arguments.temp_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set changed = tokens_relation('changed_partitions') -%}
    {%- if tokens_are_stale() %}
    insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ made }}
    {%- else %}
    {%- set of_changed -%}
    where {{ within('written.ts', days_of(changed)) }}
        and exists (select 1 from {{ changed }} as changed where {{ in_partition('written', 'changed') }})
    {%- endset %}
    delete from {{ target_relation }} as written {{ of_changed }};
    insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ made }} as written {{ of_changed }}
    {%- endif %}
{%- endmacro %}

{#- Users and moments whose tokens, in the order of a history, differ before and after; with a hash of the tokens of each. -#}
{% macro changed_moments(before, after) -%}
    select
        user_id,
        ts,
        max(content) filter (where not is_after) as before,
        max(content) filter (where is_after) as after
    from (
        {%- for rows in (before, after) %}
        select
            user_id,
            ts,
            {{ content_hash([
                'list(' ~ content_hash(['source', 'key_ids', 'value_ids', 'positions', 'texts', 'hour', 'weekday', 'monthday'])
                ~ ' order by event_id nulls first, value_ids, key_ids, positions, texts)'
            ]) }} as content,
            {{ 'false' if loop.first else 'true' }} as is_after
        from {{ rows }} as tokens
        group by user_id, ts
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as both_times
    group by user_id, ts
    having count(*) = 1 or min(content) <> max(content)
{%- endmacro %}

{#- Stop if all tokens must be made again, but tokens.new_events holds only the events that arrived. -#}
{% macro refuse_part_of_events(event_tokens) -%}
    {%- if execute and tokens_are_stale() -%}
        {%- set ready = load_relation(tokens_relation('new_events')) -%}
        {%- if ready is not none and ready.is_table -%}
            {{ refuse(
                'tokens.event_tokens has to be made again, but tokens.new_events holds only what arrived last',
                'pragma build --select +event_tokens' ~ (' --refit' if flags.FULL_REFRESH)
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro contract_relation(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='contract', identifier=name)) }}
{%- endmacro %}
