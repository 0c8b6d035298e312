{#- What an engine says in its own words. Every other macro and model is in the portable subset. -#}

{#- A string literal for any text, whatever quotes or line breaks it holds. -#}
{% macro literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{#- A whole number as people write it: 1,204,311. -#}
{% macro thousands(number) -%}
    {{ return(adapter.dispatch('thousands', 'pragma')(number)) }}
{%- endmacro %}

{% macro duckdb__thousands(number) -%}
    format('{:,}', {{ number }})
{%- endmacro %}

{#- A whole number in [0, buckets) that depends on the text alone. -#}
{% macro hash_bucket(text, buckets) -%}
    {{ return(adapter.dispatch('hash_bucket', 'pragma')(text, buckets)) }}
{%- endmacro %}

{% macro duckdb__hash_bucket(text, buckets) -%}
    (('0x' || substr(md5({{ text }}), 1, 8))::ubigint % {{ buckets }})
{%- endmacro %}

{#- A UTC timestamp as the wall clock of an IANA time zone shows it. -#}
{% macro local_time(ts, zone) -%}
    {{ return(adapter.dispatch('local_time', 'pragma')(ts, zone)) }}
{%- endmacro %}

{% macro duckdb__local_time(ts, zone) -%}
    {%- if zone == 'UTC' -%} {{ ts }}
    {%- else -%} timezone({{ literal(zone) }}, timezone('UTC', {{ ts }}))
    {%- endif -%}
{%- endmacro %}
