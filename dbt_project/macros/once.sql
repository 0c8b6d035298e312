{#- Of events that came twice the first by content, where the checks of this build found any. -#}
{% macro first_of_repeated_events(checks) -%}
    {%- if execute and load_relation(checks) is not none -%}
        {%- set repeats = run_query(
            'select coalesce(sum(rows), 1) from ' ~ checks
            ~ " where rule in ('events_event_id_repeated', 'events_repeated')"
        ).rows[0][0] -%}
    {%- endif -%}
    {%- if repeats %}
    {{ first_of_each_event() }}
    {%- endif -%}
{%- endmacro %}

{#-
    Of events those that the relation does not hold. A build that runs `event_tokens` alone finds in
    `new_events`, which lies beside the partitions, what the last one left there; where that is a view, a
    first build took all of it.
-#}
{% macro unknown_events(relation, partitions) -%}
    {%- if is_incremental() and not tokens_are_stale(relation.identifier) -%}
        {%- set arrived = load_relation(partitions.incorporate(path={'identifier': 'new_events'})) -%}
        {%- set days = days_of('from ' ~ arrived if arrived and arrived.is_table else '') -%}
        {%- if days[0] is none %}
    where false
        {%- else %}
    where not exists (
        select 1 from {{ relation }} as seen
        where {{ within('seen.ts', days) }} and {{ same_event('tokenised', 'seen') }}
    )
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Of a profile's items those of snapshots, and those milestones, that the relation does not hold. -#}
{% macro unknown_to(relation) -%}
    {%- if is_incremental() %}
    where not exists (
        select 1 from {{ relation }} as seen
        where
            tokenised.user_id = seen.user_id
            and case
                when tokenised.ts is null then seen.ts is null and tokenised.as_of = seen.as_of
                else tokenised.ts = seen.ts and tokenised.value_ids = seen.value_ids
            end
    )
    {%- endif -%}
{%- endmacro %}
