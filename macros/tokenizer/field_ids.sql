{#-
    With the texts, this is the only place where a value gets its ids. v<i> is null where the row has no value, and
    [UNK] for a value that the fit does not know. x<i> are the strings that become several tokens, or that a text
    encoder reads.
-#}
{% macro field_ids(spec) -%}
    {%- for field in spec.fields %}
        {% if field.kind == 'text' %}x{{ loop.index }},
        {%- else -%}
        case
            when x{{ loop.index }} is null then null
        {%- if field.kind == 'category' %}
            else {{ category_id('x' ~ loop.index, field, spec.unk_id) }}
        {%- elif field.kind == 'numeric' %}
            when n{{ loop.index }} is null then {{ spec.unk_id }}
            else {{ number_bin('n' ~ loop.index, field.edges, field.first_id) }}
        {%- else %}
            else {{ field.first_id }}
        {%- endif %}
        end as v{{ loop.index }},
        {%- if field.kind == 'text_embed' %} x{{ loop.index }},{% endif %}
        {%- endif %}
    {%- endfor %}
{%- endmacro %}
