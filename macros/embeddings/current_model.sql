{% macro current_model() -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set pointer = beside_warehouse('bundles/current') -%}
    {%- if not run_query('select file from glob(' ~ pointer ~ ')').rows -%} {{ return(none) }} {%- endif -%}
    {%- set id = run_query('select trim(content, chr(10)) from read_text(' ~ pointer ~ ')').rows[0][0] -%}
    {%- set said = run_query(
        "select (content ->> 'embedding_size')::integer, content ->> 'tokenizer_hash', (content ->> 'activity') is not null"
        ~ " and (content ->> 'readout') similar to '(.*,)?(user|both)(,.*)?' from read_text("
        ~ beside_warehouse('bundles/' ~ id ~ '/manifest.json') ~ ')'
    ).rows[0] -%}
    {{ return({'id': id, 'size': said[0] | int, 'tokenizer_hash': said[1], 'forecasts': said[2]}) }}
{%- endmacro %}
