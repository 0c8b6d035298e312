{% macro checksum_of_checksums(checksum) -%}
    {{ return(adapter.dispatch('checksum_of_checksums', 'pragma')(checksum)) }}
{%- endmacro %}

{% macro duckdb__checksum_of_checksums(checksum) -%}
    (sum({{ checksum }}) % 18446744073709551616)::ubigint
{%- endmacro %}
