{% macro tend_candidate() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and 'model.pragma.event_tokens' in selected_resources -%}
        {%- set there = tables_in(['fit_next', 'tokens']) -%}
        {%- if ['fit_next', 'unfinished'] in there -%}
            {{ drop_candidate() }}
        {%- elif ['tokens', 'next_event_tokens'] in there -%}
            delete from {{ tokens_relation('next_event_tokens') }} as kept
            where not exists (
                select 1 from {{ tokens_relation('event_tokens') }} as present
                where
                    present.user_id = kept.user_id
                    and present.ts = kept.ts
                    and present.event_id is not distinct from kept.event_id
            );
            delete from {{ tokens_relation('next_profile_tokens') }} as kept
            where not exists (
                select 1 from {{ tokens_relation('profile_tokens') }} as present
                where present.user_id = kept.user_id and present.as_of is not distinct from kept.as_of
            );
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
