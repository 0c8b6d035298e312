{% macro token_partitions(event_tokens, changed=none) -%}
    select
        {{ event_day('tokens.ts') }} as day,
        {{ event_bucket('tokens.user_id') }} as bucket,
        count(*) as events,
        {{ checksum_of(['tokens.user_id', 'tokens.ts']) }} as checksum
    from {{ event_tokens }} as tokens
    {%- if changed %}
    where
        {{ within('tokens.ts', days_of(changed)) }}
        and exists (select 1 from {{ changed }} as changed where {{ in_partition('tokens', 'changed') }})
    {%- endif %}
    group by all
{%- endmacro %}
