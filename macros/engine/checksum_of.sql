{% macro checksum_of(columns) -%}
    {{ return(adapter.dispatch('checksum_of', 'pragma')(columns)) }}
{%- endmacro %}

{#- Hashed twice, because rows that differ only in the last column would otherwise differ in few bits. -#}
{% macro duckdb__checksum_of(columns) -%}
    (sum(hash({{ content_hash(columns) }})) % 18446744073709551616)::ubigint
{%- endmacro %}
