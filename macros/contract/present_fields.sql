{% macro present_fields(expressions) -%}
    map_from_entries(list_filter(
        [
            {%- for name, expression in expressions.items() %}
            {'key': {{ literal(name) }}, 'value': ({{ expression }})::varchar}{% if not loop.last %},{% endif %}
            {%- endfor %}
        ],
        lambda field: field.value is not null
    ))
{%- endmacro %}
