{% macro single_part(field, what) -%}
    {%- if what == 'value_ids' -%} v{{ field.index }}
    {%- elif what == 'key_ids' -%} {{ field.key_id }}
    {%- else -%} 0::utinyint
    {%- endif -%}
{%- endmacro %}
