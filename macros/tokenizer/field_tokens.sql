{#-
    How one row's fields become tokens: the single place where a value gets its ids. `spec` is
    fit.tokenizer.spec as a mapping; columns are numbered by the place of the field in it.
-#}

{#-
    x<i>: the value of each key; n<i>: it as a number. A key that the fit never saw with the row's
    source, though it knows the source, is not looked at.
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

{#-
    n<i>: the values of numeric keys as numbers. An expression a key is fastest where there are many rows; where
    there are few, starting so many takes longer than they run, and `rows_with_numbers` parses them together.
-#}
{% macro field_numbers(spec, few_rows=false) -%}
    {%- for field in spec.fields if field.kind == 'numeric' %}
        {% if few_rows %}numbers[{{ loop.index }}]{% else %}{{ parse_number('x' ~ field.index) }}{% endif %} as n{{ field.index }},
    {%- endfor %}
{%- endmacro %}

{% macro rows_with_numbers(spec, rows, few_rows=false) -%}
    {%- set numeric = spec.fields | selectattr('kind', 'equalto', 'numeric') | map(attribute='index') | list -%}
    {%- if few_rows and numeric -%}
    (select *, {{ parse_numbers('[x' ~ numeric | join(', x') ~ ']') }} as numbers from {{ rows }}) as {{ rows }}
    {%- else -%} {{ rows }}
    {%- endif -%}
{%- endmacro %}

{#-
    v<i>: the id of a value that is one token; null where the row has no value, [UNK] where the fit knows
    no better. x<i>: the strings that are several tokens, or that a text encoder reads.
-#}
{% macro field_ids(spec, few_rows=false) -%}
    {%- for field in spec.fields %}
        {% if field.kind == 'text' %}x{{ loop.index }},
        {%- else -%}
        case
            when x{{ loop.index }} is null then null
        {%- if field.kind == 'category' %}
            else {{ category_id('x' ~ loop.index, field, spec.unk_id) }}
        {%- elif field.kind == 'numeric' %}
            when n{{ loop.index }} is null then {{ spec.unk_id }}
            else {{ (numeric_bin_by_count if few_rows else numeric_bin)('n' ~ loop.index, field.edges, field.first_id) }}
        {%- else %}
            else {{ field.first_id }}
        {%- endif %}
        end as v{{ loop.index }},
        {%- if field.kind == 'text_embed' %} x{{ loop.index }},{% endif %}
        {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- Where `texts` is a view, it is made once, not for each key. -#}
{% macro texts_once(texts, few_rows) -%}
    {%- if few_rows %}
texts_once as materialized (
    select * from {{ texts }}
),
    {% endif -%}
{%- endmacro %}

{#- t<i>: the pieces of each text. Every string is in `texts`, and so is null: an outer join would split each batch. -#}
{% macro text_joins(spec, texts) -%}
    {%- for field in spec.fields if field.kind == 'text' %}
    inner join {{ texts }} as t{{ field.index }} on x{{ field.index }} is not distinct from t{{ field.index }}.value
    {%- endfor %}
{%- endmacro %}

{#- The strings of the text_embed keys in the order of their tokens; null in a dataset without such keys. -#}
{% macro embedded_texts(spec) -%}
    {%- set embedded = spec.fields | selectattr('kind', 'equalto', 'text_embed') | list -%}
    {%- if embedded -%}
    list_filter([{% for field in embedded %}x{{ field.index }}{% if not loop.last %}, {% endif %}{% endfor %}], lambda text: text is not null)
    {%- else -%} null::varchar[]
    {%- endif -%}
{%- endmacro %}

{#- A field's part of an array, null where it has none: its value ids, its key repeated, or 0, 1, 2, ... -#}
{% macro field_part(field, what) -%}
    {%- if field.kind != 'text' -%}
        case when v{{ field.index }} is not null then [{{ single_part(field, what) }}] end
    {%- elif what == 'value_ids' -%} t{{ field.index }}.token_ids
    {%- elif what == 'key_ids' -%} {{ repeated(field.key_id, 'len(t' ~ field.index ~ '.token_ids)') }}
    {%- else -%} t{{ field.index }}.positions
    {%- endif -%}
{%- endmacro %}

{#- The same of a field that is one token, as an element. -#}
{% macro single_part(field, what) -%}
    {%- if what == 'value_ids' -%} v{{ field.index }}
    {%- elif what == 'key_ids' -%} {{ field.key_id }}
    {%- else -%} 0::utinyint
    {%- endif -%}
{%- endmacro %}
