{#- Each distinct string of the text keys, encoded once: one row per (value, token_ids). -#}
{% macro encoded_texts(spec, relation, fields) -%}
    select
        distinct_texts.value,
        list_transform(
            bpe_encode(distinct_texts.value, {{ literal(spec.bpe_hash) }}),
            lambda piece: piece + {{ spec.first_piece_id }}
        ) as token_ids
    from (
        {%- for field in spec.fields if field.kind == 'text' %}
        select {{ fields }}[{{ literal(field.key) }}] as value from {{ relation }}
        where {{ fields }}[{{ literal(field.key) }}] is not null
        union
        {%- endfor %}
        select null::varchar as value where false
    ) as distinct_texts
{%- endmacro %}
