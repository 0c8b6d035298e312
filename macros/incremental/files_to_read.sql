{% macro files_to_read() -%}
    {%- if not files_are_known() -%} {{ return(none) }} {%- endif -%}
    {%- set unchanged = run_query(unchanged_files()).columns[0].values() | list -%}
    {%- if not unchanged -%} {{ return(none) }} {%- endif -%}
    {{ return(run_query(
        'select distinct read_as from ' ~ contract_relation('source_files') ~ ' where read_as not in ('
        ~ unchanged_files() ~ ') order by read_as'
    ).columns[0].values() | list) }}
{%- endmacro %}
