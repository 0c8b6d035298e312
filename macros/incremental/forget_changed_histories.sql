{% macro forget_changed_histories(histories, changed, whole) -%}
    {%- if execute and is_incremental() -%}
    delete from {{ histories }}
    {%- if not whole %}
    where user_id in (select changed.user_id from {{ changed }} as changed)
    {%- endif %}
    {%- endif -%}
{%- endmacro %}
