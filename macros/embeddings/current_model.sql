{#-
    The model that `embed` uses, as {id, size, tokenizer_hash}, said by the files beside the warehouse; none before one is
    registered.
-#}
{% macro current_model() -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set pointer = beside_warehouse('bundles/current') -%}
    {%- if not run_query('select file from glob(' ~ pointer ~ ')').rows -%} {{ return(none) }} {%- endif -%}
    {%- set id = run_query('select trim(content, chr(10)) from read_text(' ~ pointer ~ ')').rows[0][0] -%}
    {%- set said = run_query(
        "select (content ->> 'embedding_size')::integer, content ->> 'tokenizer_hash' from read_text("
        ~ beside_warehouse('bundles/' ~ id ~ '/manifest.json') ~ ')'
    ).rows[0] -%}
    {{ return({'id': id, 'size': said[0] | int, 'tokenizer_hash': said[1]}) }}
{%- endmacro %}

{#- A file beside the warehouse as the literal of a pattern; what its folder is called is no pattern. -#}
{% macro beside_warehouse(name) -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0] -%}
    {%- set folder = modules.re.sub('[^/]*$', '', path or '', count=1) -%}
    {{ return(file_pattern(folder, name)) }}
{%- endmacro %}

{#- The same as the literal of a file to be written, which is no pattern. -#}
{% macro beside_warehouse_file(name) -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0]
        if execute else '' -%}
    {{ return(literal(modules.re.sub('[^/]*$', '', path or '', count=1) ~ name)) }}
{%- endmacro %}

{#- The current model's id as a literal, in which an empty string stands for none. -#}
{% macro current_model_id() -%}
    {%- set current = current_model() -%}
    {{ return(literal(current.id if current else '')) }}
{%- endmacro %}

{#- `embed` and its sisters, of the widths of the models that are registered by now. -#}
{% macro create_embed_functions() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set current = current_model() -%}
    {%- set width = current.size if current else none %}
    {{ create_embed(width) }};
    {{ create_embed_at(width) }};
    {{ create_embed_records(width) }};
    {{ create_embed_with(width if current and _models_are_as_wide(width) else none) }}
    {%- endif -%}
{%- endmacro %}

{#- Whether `embed_with` has one type, whichever model it is asked for. -#}
{% macro _models_are_as_wide(width) -%}
    {{ return(run_query(
        "select bool_and((content ->> 'embedding_size')::integer = " ~ width ~ ') from read_text('
        ~ beside_warehouse('bundles/*/manifest.json') ~ ')'
    ).rows[0][0]) }}
{%- endmacro %}
