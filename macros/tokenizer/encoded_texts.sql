{#-
    There is one row for null, because events and profiles are matched with the texts by an inner join. Positions stop
    at 255, far beyond the tokens that an event or a profile keeps.
-#}
{% macro encoded_texts(spec, events, profiles) -%}
with

seen as (
    {{ _texts_of(spec, events, 'fields') }}
    union all
    {{ _texts_of(spec, profiles, 'attributes') }}
),

encoded as (
    select
        value,
        bpe_encode(value, {{ literal(spec.bpe_hash) }}) as pieces
    from (select distinct value from seen where value is not null) as distinct_texts
),

numbered as (
    select
        value,
        case
            when len(pieces) = 0 then [{{ spec.unk_id }}]
            else list_transform(pieces, lambda piece: piece + {{ spec.first_piece_id }})
        end as token_ids
    from encoded
),

final as (
    select
        value,
        token_ids,
        list_transform(token_ids, lambda id, place: least(place - 1, 255)::utinyint) as positions
    from numbered
    union all
    select
        null::varchar as value,
        null::integer[] as token_ids,
        null::utinyint[] as positions
)

select * from final
{%- endmacro %}

{% macro _texts_of(spec, relation, fields) -%}
    {%- set texts = [] -%}
    {%- for field in spec.fields if field.kind == 'text' -%}
        {%- do texts.append(fields ~ '[' ~ literal(field.key) ~ ']') -%}
    {%- endfor -%}
    {%- if texts -%} select unnest([{{ texts | join(', ') }}]) as value from {{ relation }}
    {%- else -%} select null::varchar as value where false
    {%- endif -%}
{%- endmacro %}
