{% macro tend_candidate() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and 'model.pragma.event_tokens' in selected_resources -%}
        {%- set there = tables_in(['fit_next', 'tokens_next']) -%}
        {%- if ['fit_next', 'unfinished'] in there -%}
            drop schema if exists tokens_next cascade; drop schema fit_next cascade;
        {%- elif ['tokens_next', 'event_tokens'] in there -%}
            delete from tokens_next.event_tokens as kept
            where not exists (
                select 1 from {{ tokens_relation('event_tokens') }} as present
                where
                    present.user_id = kept.user_id
                    and present.ts = kept.ts
                    and present.event_id is not distinct from kept.event_id
            );
            delete from tokens_next.profile_tokens as kept
            where not exists (
                select 1 from {{ tokens_relation('profile_tokens') }} as present
                where present.user_id = kept.user_id and present.as_of is not distinct from kept.as_of
            );
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
