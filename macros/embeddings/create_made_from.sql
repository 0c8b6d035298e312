{% macro create_made_from() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') -%}
    {%- for layer in ('vectors', 'views') %}
    create schema if not exists {{ layer }};
    create table if not exists {{ made_from(layer) }} (relation varchar, model_id varchar, state ubigint, vectors bigint);
    {%- endfor %}
    {%- endif -%}
{%- endmacro %}
