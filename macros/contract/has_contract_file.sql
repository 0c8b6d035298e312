{% macro has_contract_file(name) -%}
    {{ return(contract_paths(name ~ '.parquet') + contract_paths(name ~ '/**/*.parquet')) }}
{%- endmacro %}
