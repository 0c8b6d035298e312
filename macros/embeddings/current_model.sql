{#-
    The model that `embed` uses, as {id, size, tokenizer_hash}, read from the files beside the warehouse; none before a
    model is registered.
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

{#- A pattern of files beside the warehouse, as a literal; the folder is escaped, so that only `name` matches. -#}
{% macro beside_warehouse(name) -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0] -%}
    {%- set folder = modules.re.sub('[^/]*$', '', path or '', count=1) -%}
    {{ return(file_pattern(folder, name)) }}
{%- endmacro %}

{#- A file to be written beside the warehouse, as a literal; writers take no pattern, so nothing is escaped. -#}
{% macro beside_warehouse_file(name) -%}
    {%- set path = run_query('select path from duckdb_databases() where database_name = current_database()').rows[0][0]
        if execute else '' -%}
    {{ return(literal(modules.re.sub('[^/]*$', '', path or '', count=1) ~ name)) }}
{%- endmacro %}

{#- The current model's id as a literal; an empty string if there is none. -#}
{% macro current_model_id() -%}
    {%- set current = current_model() -%}
    {{ return(literal(current.id if current else '')) }}
{%- endmacro %}

{#- The SQL functions `embed`, `embed_at`, `embed_records` and `embed_with`, with the widths of the registered models. -#}
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

{#- Whether all registered models have vectors of this width, so that `embed_with` has one type. -#}
{% macro _models_are_as_wide(width) -%}
    {{ return(run_query(
        "select bool_and((content ->> 'embedding_size')::integer = " ~ width ~ ') from read_text('
        ~ beside_warehouse('bundles/*/manifest.json') ~ ')'
    ).rows[0][0]) }}
{%- endmacro %}
