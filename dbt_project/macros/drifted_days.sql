{#- The days since a moment that have not as many events of a source as the relation says; all in a first build. -#}
{% macro drifted_days(event_tokens, relation, since) -%}
    select distinct present.day
    from (
        select
            {{ event_day('ts') }} as day,
            source,
            count(*) as n
        from {{ event_tokens }}
        where ts >= {{ literal(since) }}::timestamp
        group by all
    ) as present
    {%- if is_incremental() and not tokens_are_stale(relation.identifier) %}
    left join {{ relation }} as built
        on present.day = built.day and present.source = built.source and built.key = 'source'
    where built.n is distinct from present.n
    {%- endif -%}
{%- endmacro %}

{#- The first and last of them, as text: days that a file's statistics can be asked for. -#}
{% macro drifted_span(event_tokens, relation, since) -%}
    {%- if not execute or load_relation(event_tokens) is none -%} {{ return([none, none]) }} {%- endif -%}
    {{ return(run_query(
        'select min(day)::varchar, max(day)::varchar from (' ~ drifted_days(event_tokens, relation, since) ~ ')'
    ).rows[0] | list) }}
{%- endmacro %}
