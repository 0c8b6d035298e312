{#- Names of folders such as `a=1` do not become columns. -#}
{% macro parquet_file(path) -%}
    read_parquet({{ literal(path) }}, hive_partitioning = false)
{%- endmacro %}
