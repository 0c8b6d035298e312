{#- The SQL that differs between engines. Every other macro and model keeps to the portable subset. -#}

{#- A string literal of any text, quotes and line breaks included. -#}
{% macro literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{#- Literals of several texts, separated by commas. -#}
{% macro literals(texts) -%}
    {%- for text in texts %}{{ literal(text) }}{% if not loop.last %}, {% endif %}{% endfor -%}
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

{#-
    The token id of a value among the categories of a field, else that of [UNK]. Categories are numbered
    in order from `first_id`.
-#}
{% macro category_id(value, field, unk_id) -%}
    {%- if not field.categories -%} {{ unk_id }}
    {%- else -%} {{ return(adapter.dispatch('category_id', 'pragma')(value, field, unk_id)) }}
    {%- endif -%}
{%- endmacro %}

{#-
    A cast to an enum looks the value up without a join, which would carry all other columns along. The code is widened,
    because its type is as narrow as the enum.
-#}
{% macro duckdb__category_id(value, field, unk_id) -%}
    coalesce({{ field.first_id }} + enum_code(try_cast({{ value }} as enum (
{{ literals(field.categories) }})))::integer, {{ unk_id }})
{%- endmacro %}

{#- An array that repeats one value `times` times. -#}
{% macro repeated(value, times) -%}
    {{ return(adapter.dispatch('repeated', 'pragma')(value, times)) }}
{%- endmacro %}

{% macro duckdb__repeated(value, times) -%}
    repeat([{{ value }}], {{ times }})
{%- endmacro %}

{#- A hash of a row's content, stable within one version of the engine. -#}
{% macro content_hash(columns) -%}
    {{ return(adapter.dispatch('content_hash', 'pragma')(columns)) }}
{%- endmacro %}

{% macro duckdb__content_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{#- A hash of a map that does not depend on the order of its keys; null for an empty map. -#}
{% macro map_hash(map) -%}
    {{ return(adapter.dispatch('map_hash', 'pragma')(map)) }}
{%- endmacro %}

{#- Keys are unique, so no two of the hashes cancel out under xor. -#}
{% macro duckdb__map_hash(map) -%}
    list_bit_xor(list_transform(map_entries({{ map }}), lambda entry: hash(hash(entry))))
{%- endmacro %}

{#- An aggregate: a checksum of a set of rows, whatever their order, in which equal rows do not cancel out. -#}
{% macro checksum_of(columns) -%}
    {{ return(adapter.dispatch('checksum_of', 'pragma')(columns)) }}
{%- endmacro %}

{#- Hashed twice, because rows that differ only in the last column would otherwise differ in few bits. -#}
{% macro duckdb__checksum_of(columns) -%}
    (sum(hash({{ content_hash(columns) }})) % 18446744073709551616)::ubigint
{%- endmacro %}

{#- An aggregate: the checksum of a whole from the checksums of its parts. -#}
{% macro checksum_of_checksums(checksum) -%}
    {{ return(adapter.dispatch('checksum_of_checksums', 'pragma')(checksum)) }}
{%- endmacro %}

{% macro duckdb__checksum_of_checksums(checksum) -%}
    (sum({{ checksum }}) % 18446744073709551616)::ubigint
{%- endmacro %}
