{% macro has_label(scored) -%}
    exists (
        select 1 from {{ ref('labels') }} as asked
        where asked.user_id = {{ scored }}.user_id and asked.eval_ts = {{ scored }}.as_of
    )
{%- endmacro %}
