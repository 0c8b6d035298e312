{% macro forget_stale(relation) -%}
    {%- if execute and not flags.FULL_REFRESH and load_relation(relation) is not none and tokens_are_stale() -%}
    delete from {{ relation }}
    {%- endif -%}
{%- endmacro %}
