{#- The files in the folder `contract_dir` that match a pattern, in order. -#}
{% macro contract_paths(pattern) -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set found = run_query('select file from glob(' ~ contract_pattern(pattern) ~ ') order by file') -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}

{#- The folder and a pattern as one literal; the name of the folder is escaped, so that only `pattern` matches. -#}
{% macro contract_pattern(pattern) -%}
    {{ return(file_pattern(var('contract_dir'), '/' ~ pattern)) }}
{%- endmacro %}

{#- The files of a relation of the contract: `events.parquet`, and those below `events/`. Empty when there are none. -#}
{% macro has_contract_file(name) -%}
    {{ return(contract_paths(name ~ '.parquet') + contract_paths(name ~ '/**/*.parquet')) }}
{%- endmacro %}

{#- A relation of the contract as one table; its files are matched by column names, and may differ in other columns. -#}
{% macro contract_file(name) -%}
    {%- set pattern = name ~ ('.parquet' if contract_paths(name ~ '.parquet') else '/**/*.parquet') -%}
    read_parquet({{ contract_pattern(pattern) }}, union_by_name = true, hive_partitioning = false)
{%- endmacro %}

{#- The columns of a relation or table function: name in lower case -> type. -#}
{% macro column_types(relation) -%}
    {%- if not execute -%} {{ return({}) }} {%- endif -%}
    {%- set types = {} -%}
    {%- for row in run_query('describe select * from ' ~ relation).rows -%}
        {%- do types.update({row[0] | lower: row[1]}) -%}
    {%- endfor -%}
    {{ return(types) }}
{%- endmacro %}

{#- A moment as a UTC timestamp, whether its type has a time zone or not, and whatever the time zone of the session. -#}
{% macro utc(moment, type) -%}
    {%- if 'WITH TIME ZONE' in type -%} timezone('UTC', {{ moment }}) {%- else -%} {{ moment }}::timestamp {%- endif -%}
{%- endmacro %}
