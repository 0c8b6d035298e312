{#- `texts` holds every string and null, because an outer join would split each batch. -#}
{% macro text_joins(spec, texts) -%}
    {%- for field in spec.fields if field.kind == 'text' %}
    inner join {{ texts }} as t{{ field.index }} on x{{ field.index }} is not distinct from t{{ field.index }}.value
    {%- endfor %}
{%- endmacro %}
