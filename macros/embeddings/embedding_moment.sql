{#- None: each user's own latest moment. -#}
{% macro embedding_moment() -%}
    {%- set given = var('embed_as_of') | string | trim -%}
    {%- if not given -%} {{ return(none) }} {%- endif -%}
    {%- if given == 'newest' -%}
        {{ return('(select max(ts) + interval 1 microsecond from ' ~ ref('event_tokens') ~ ')') }}
    {%- endif -%}
    {%- if execute and run_query('select try_cast(' ~ literal(given) ~ ' as timestamp) is null').rows[0][0] -%}
        {{ refuse(
            "the var `embed_as_of` is '" ~ given ~ "', which is no moment",
            'set it to newest, to a moment like 2024-01-31, or leave it empty for the latest moment of each user'
        ) }}
    {%- endif -%}
    {{ return(literal(given) ~ '::timestamp') }}
{%- endmacro %}
