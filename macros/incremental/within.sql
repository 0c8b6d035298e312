{#- The condition has no `or` unless rows lack a moment, so that a reader can skip row groups by their statistics. -#}
{% macro within(ts, days) -%}
    {%- set or_none = days | length > 2 and days[2] -%}
    {%- if days[0] is none -%} {{ ts ~ ' is null' if or_none else 'false' }}
    {%- else -%}
    ({% if or_none %}{{ ts }} is null or {% endif %}{{ ts }} >= date {{ literal(days[0]) }} and {{ ts }} < date {{ literal(days[1]) }} + interval 1 day)
    {%- endif -%}
{%- endmacro %}
