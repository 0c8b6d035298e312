{% macro hash_bucket(text, buckets) -%}
    {{ return(adapter.dispatch('hash_bucket', 'pragma')(text, buckets)) }}
{%- endmacro %}

{% macro duckdb__hash_bucket(text, buckets) -%}
    (('0x' || substr(md5({{ text }}), 1, 8))::ubigint % {{ buckets }})
{%- endmacro %}
