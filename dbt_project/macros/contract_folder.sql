{#- The parquet files of the folder `contract_dir` below a name, in order: `events.parquet`, or all of `events/`. -#}
{% macro contract_paths(name) -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set patterns = [contract_pattern(name ~ '.parquet'), contract_pattern(name ~ '/**/*.parquet')] -%}
    {%- set found = run_query('select file from glob([' ~ patterns | join(', ') ~ ']) order by file') -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}

{#- A pattern below that folder, whose own name is no pattern. -#}
{% macro contract_pattern(below) -%}
    {%- set folder = var('contract_dir') | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]') -%}
    {{ return(literal(folder ~ '/' ~ below)) }}
{%- endmacro %}

{#- Those files as one table; parts are matched by column names, and may differ in columns that nobody needs. -#}
{% macro contract_file(name) -%}
    {%- set parts = contract_paths(name) and var('contract_dir') ~ '/' ~ name ~ '.parquet' not in contract_paths(name) -%}
    {%- set pattern = contract_pattern(name ~ ('/**/*.parquet' if parts else '.parquet')) -%}
    read_parquet({{ pattern }}, union_by_name = true, hive_partitioning = false)
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
