{#- A value is null if the fit knows the row's source but never saw the key with it. -#}
{% macro field_values(spec, fields, source='') -%}
    {%- for field in spec.fields -%}
        {%- set without = [] -%}
        {%- for schema in spec.schemas if source and field.key not in schema['keys'] -%}
            {%- do without.extend(schema.sources) -%}
        {%- endfor -%}
        {%- set text = fields ~ '[' ~ literal(field.key) ~ ']' %}
        {% if without %}case when {{ source }} not in ({{ literals(without) }}) then {{ text }} end
        {%- else %}{{ text }}{% endif %} as x{{ loop.index }},
    {%- endfor %}
{%- endmacro %}
