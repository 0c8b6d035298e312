{% macro tokenizer_spec(tokenizer) -%}
    {%- set unk = unk_id() | int -%}
    {%- set unfitted = {
        'fields': [], 'source': {'key_id': unk, 'categories': []}, 'milestone': {'key_id': unk, 'categories': []},
        'schemas': [], 'unk_id': unk, 'calendar_tz': 'UTC',
        'max_event_tokens': 1, 'max_profile_tokens': 1, 'tokenizer_hash': '', 'bpe_hash': '', 'first_piece_id': 0,
    } -%}
    {%- if not execute or load_relation(tokenizer) is none -%} {{ return(unfitted) }} {%- endif -%}
    {%- set row = run_query('select spec, tokenizer_hash from ' ~ tokenizer).rows[0] -%}
    {{ return(dict(fromjson(row[0]), tokenizer_hash=row[1])) }}
{%- endmacro %}
