{#-
    How one row's fields become tokens: the only place where a value gets its ids. `spec` is
    fit.tokenizer.spec as a mapping; columns are numbered by the field's index in it.
-#}

{#-
    x<i>: the value of each key. It is null if the fit knows the row's source but never saw the key
    with it.
-#}
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

{#- n<i>: the values of numeric keys as numbers. -#}
{% macro field_numbers(spec) -%}
    {%- for field in spec.fields if field.kind == 'numeric' %}
        {{ field_number(field, loop.index) }} as n{{ field.index }},
    {%- endfor %}
{%- endmacro %}

{#-
    v<i>: the id of a value that is one token; null where the row has no value, [UNK] for a value that the fit
    does not know. x<i>: the strings that become several tokens, or that a text encoder reads.
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

{#- t<i>: the pieces of each text. `texts` holds every string and null, because an outer join would split each batch. -#}
{% macro text_joins(spec, texts) -%}
    {%- for field in spec.fields if field.kind == 'text' %}
    inner join {{ texts }} as t{{ field.index }} on x{{ field.index }} is not distinct from t{{ field.index }}.value
    {%- endfor %}
{%- endmacro %}

{#- The strings of the text_embed keys in the order of their tokens; null if the dataset has no such keys. -#}
{% macro embedded_texts(spec) -%}
    {%- set embedded = spec.fields | selectattr('kind', 'equalto', 'text_embed') | list -%}
    {%- if embedded -%}
    list_filter([{% for field in embedded %}x{{ field.index }}{% if not loop.last %}, {% endif %}{% endfor %}], lambda text: text is not null)
    {%- else -%} null::varchar[]
    {%- endif -%}
{%- endmacro %}

{#- A field's part of an array: its value ids, its key repeated, or the positions 0, 1, 2, ...; null without a value. -#}
{% macro field_part(field, what) -%}
    {%- if field.kind != 'text' -%}
        case when v{{ field.index }} is not null then [{{ single_part(field, what) }}] end
    {%- elif what == 'value_ids' -%} t{{ field.index }}.token_ids
    {%- elif what == 'key_ids' -%} {{ repeated(field.key_id, 'len(t' ~ field.index ~ '.token_ids)') }}
    {%- else -%} t{{ field.index }}.positions
    {%- endif -%}
{%- endmacro %}

{#- The element of an array for a field that is one token: its value id, its key, or position 0. -#}
{% macro single_part(field, what) -%}
    {%- if what == 'value_ids' -%} v{{ field.index }}
    {%- elif what == 'key_ids' -%} {{ field.key_id }}
    {%- else -%} 0::utinyint
    {%- endif -%}
{%- endmacro %}
