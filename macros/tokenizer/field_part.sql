{% macro field_part(field, what) -%}
    {%- if field.kind != 'text' -%}
        case when v{{ field.index }} is not null then [{{ single_part(field, what) }}] end
    {%- elif what == 'value_ids' -%} t{{ field.index }}.token_ids
    {%- elif what == 'key_ids' -%} {{ repeat_value(field.key_id, 'len(t' ~ field.index ~ '.token_ids)') }}
    {%- else -%} t{{ field.index }}.positions
    {%- endif -%}
{%- endmacro %}
