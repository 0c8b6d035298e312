{#- fit.tokenizer.spec as a mapping; before the first fit, one that knows no field. -#}
{% macro tokenizer_spec(tokenizer) -%}
    {%- set unfitted = {
        'fields': [], 'source': {'key_id': 2, 'categories': []}, 'milestone': {'key_id': 2, 'categories': []},
        'schemas': [], 'unk_id': 2, 'calendar_tz': 'UTC',
        'max_event_tokens': 1, 'max_profile_tokens': 1, 'tokenizer_hash': '', 'bpe_hash': '', 'first_piece_id': 0,
    } -%}
    {%- if not execute or load_relation(tokenizer) is none -%} {{ return(unfitted) }} {%- endif -%}
    {%- set row = run_query('select spec, tokenizer_hash from ' ~ tokenizer).rows[0] -%}
    {{ return(dict(fromjson(row[0]), tokenizer_hash=row[1])) }}
{%- endmacro %}
