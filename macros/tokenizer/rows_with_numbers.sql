{% macro rows_with_numbers(spec, rows) -%}
    {{ return(adapter.dispatch('rows_with_numbers', 'pragma')(spec, rows)) }}
{%- endmacro %}

{% macro default__rows_with_numbers(spec, rows) -%}
    {{ rows }}
{%- endmacro %}

{% macro online__rows_with_numbers(spec, rows) -%}
    {%- set numeric = spec.fields | selectattr('kind', 'equalto', 'numeric') | map(attribute='index') | list -%}
    {%- if numeric -%}
    (select *, {{ parse_numbers('[x' ~ numeric | join(', x') ~ ']') }} as numbers from {{ rows }}) as {{ rows }}
    {%- else -%} {{ rows }}
    {%- endif -%}
{%- endmacro %}
