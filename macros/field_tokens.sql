{#-
    How one row's fields become tokens: the single place where a value gets its ids. `spec` is
    fit.tokenizer.spec as a mapping; columns are numbered by the place of the field in it. A key that
    the fit never saw gives nothing.
-#}

{#- x<i>: the value of each key; n<i>: it as a number. -#}
{% macro field_values(spec, fields) -%}
    {%- for field in spec.fields %}
        {{ fields }}[{{ literal(field.key) }}] as x{{ loop.index }},
        {%- if field.kind == 'numeric' %}
        {{ parse_number(fields ~ '[' ~ literal(field.key) ~ ']') }} as n{{ loop.index }},
        {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- v<i>: the value's ids; null where the row has no value, [UNK] where the fit knows no better. -#}
{% macro field_ids(spec) -%}
    {%- for field in spec.fields %}
        case
            when x{{ loop.index }} is null then null
        {%- if field.kind == 'category' %}
            else [coalesce(f{{ loop.index }}.token_id, {{ spec.unk_id }})]
        {%- elif field.kind == 'numeric' %}
            when n{{ loop.index }} is null then [{{ spec.unk_id }}]
            else [{{ numeric_bin('n' ~ loop.index, field.edges, field.first_id) }}]
        {%- else %}
            when len(f{{ loop.index }}.token_ids) = 0 then [{{ spec.unk_id }}]
            else f{{ loop.index }}.token_ids
        {%- endif %}
        end as v{{ loop.index }},
    {%- endfor %}
{%- endmacro %}

{#- One small hash join a key: the faster of the formulations that were measured. -#}
{% macro field_joins(spec, vocabulary, texts) -%}
    {%- for field in spec.fields %}
    {%- if field.kind == 'category' %}
    left join {{ vocabulary }} as f{{ loop.index }}
        on f{{ loop.index }}.kind = 'category'
        and f{{ loop.index }}.key = {{ literal(field.key) }}
        and f{{ loop.index }}.value = x{{ loop.index }}
    {%- elif field.kind == 'text' %}
    left join {{ texts }} as f{{ loop.index }} on f{{ loop.index }}.value = x{{ loop.index }}
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- The key's id, once for each token of the value; null where there is no value. -#}
{% macro repeated_key(field, value_ids) -%}
    {%- if field.kind == 'text' -%} list_transform({{ value_ids }}, lambda id: {{ field.key_id }})
    {%- else -%} case when {{ value_ids }} is not null then [{{ field.key_id }}] end
    {%- endif -%}
{%- endmacro %}

{#- 0, 1, 2, ... within the field. -#}
{% macro piece_positions(field, value_ids) -%}
    {%- if field.kind == 'text' -%} list_transform({{ value_ids }}, lambda id, i: (i - 1)::integer)
    {%- else -%} case when {{ value_ids }} is not null then [0] end
    {%- endif -%}
{%- endmacro %}
