{% macro forget_counts(relation, days) -%}
    {%- if execute and is_incremental() -%}
    delete from {{ relation }} where day in (select changed.day from {{ days }} as changed)
    {%- endif -%}
{%- endmacro %}
