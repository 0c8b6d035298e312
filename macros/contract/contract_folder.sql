{#- The files of the folder `contract_dir` that match a pattern below it, in order. -#}
{% macro contract_paths(pattern) -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set found = run_query('select file from glob(' ~ contract_pattern(pattern) ~ ') order by file') -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}

{#- That pattern as a literal; what the folder itself is called is no pattern. -#}
{% macro contract_pattern(pattern) -%}
    {{ return(file_pattern(var('contract_dir'), '/' ~ pattern)) }}
{%- endmacro %}

{#- Whether a relation of the contract is there: `events.parquet`, or a file below `events/`. -#}
{% macro has_contract_file(name) -%}
    {{ return(contract_paths(name ~ '.parquet') + contract_paths(name ~ '/**/*.parquet')) }}
{%- endmacro %}

{#- It as one table; parts are matched by column names, and may differ in columns that nobody needs. -#}
{% macro contract_file(name) -%}
    {%- set pattern = name ~ ('.parquet' if contract_paths(name ~ '.parquet') else '/**/*.parquet') -%}
    read_parquet({{ contract_pattern(pattern) }}, union_by_name = true, hive_partitioning = false)
{%- endmacro %}

{#- Column name, in lower case -> type, of a relation or table function. -#}
{% macro column_types(relation) -%}
    {%- if not execute -%} {{ return({}) }} {%- endif -%}
    {%- set types = {} -%}
    {%- for row in run_query('describe select * from ' ~ relation).rows -%}
        {%- do types.update({row[0] | lower: row[1]}) -%}
    {%- endfor -%}
    {{ return(types) }}
{%- endmacro %}

{#- A moment in UTC, whatever its unit, with or without a zone, and whatever zone a reader's session has. -#}
{% macro utc(moment, type) -%}
    {%- if 'WITH TIME ZONE' in type -%} timezone('UTC', {{ moment }}) {%- else -%} {{ moment }}::timestamp {%- endif -%}
{%- endmacro %}
