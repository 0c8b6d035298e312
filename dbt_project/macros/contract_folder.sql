{#- One of the contract's parquet files in the folder `contract_dir`. -#}
{% macro contract_file(name) -%}
    read_parquet({{ literal(var('contract_dir') ~ '/' ~ name ~ '.parquet') }})
{%- endmacro %}

{#- Whether that file is there. -#}
{% macro has_contract_file(name) -%}
    {%- if not execute -%} {{ return(false) }} {%- endif -%}
    {%- set found = run_query('select count(*) from glob(' ~ literal(var('contract_dir') ~ '/' ~ name ~ '.parquet') ~ ')') -%}
    {{ return(found.rows[0][0] > 0) }}
{%- endmacro %}

{#- The column names of a relation or table function. -#}
{% macro column_names(relation) -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {{ return(run_query('describe select * from ' ~ relation).columns[0].values() | list) }}
{%- endmacro %}
