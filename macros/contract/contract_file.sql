{#- Files are matched by column names, because they may differ in other columns. -#}
{% macro contract_file(name) -%}
    {%- set pattern = name ~ ('.parquet' if contract_paths(name ~ '.parquet') else '/**/*.parquet') -%}
    read_parquet({{ contract_pattern(pattern) }}, union_by_name = true, hive_partitioning = false)
{%- endmacro %}
