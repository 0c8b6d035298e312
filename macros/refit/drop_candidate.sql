{#- By name, as a user's own tables may stand in the same schema; `drop_candidate` in `refit.py` names the same. -#}
{% macro drop_candidate() -%}
    drop schema if exists fit_next cascade;
    {%- for name in ('user_tokens', 'new_tokens') %}
    drop view if exists {{ tokens_relation('next_' ~ name) }};
    {%- endfor %}
    {%- for name in ('event_tokens', 'profile_tokens', 'text_tokens') %}
    drop table if exists {{ tokens_relation('next_' ~ name) }};
    {%- endfor %}
{%- endmacro %}
