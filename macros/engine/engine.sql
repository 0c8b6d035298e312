{#- What an engine says in its own words. Every other macro and model is in the portable subset. -#}

{#- A string literal for any text, whatever quotes or line breaks it holds. -#}
{% macro literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{#- Literals of several texts, with commas between. -#}
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
    The id of a value among the categories of a field, else that of [UNK]. They are numbered from
    `first_id` in their order.
-#}
{% macro category_id(value, field, unk_id) -%}
    {%- if not field.categories -%} {{ unk_id }}
    {%- else -%} {{ return(adapter.dispatch('category_id', 'pragma')(value, field, unk_id)) }}
    {%- endif -%}
{%- endmacro %}

{#-
    A cast looks the value up without a join, which would have to carry all other columns past it. The code of an
    enum is as narrow as the enum.
-#}
{% macro duckdb__category_id(value, field, unk_id) -%}
    coalesce({{ field.first_id }} + enum_code(try_cast({{ value }} as enum (
{{ literals(field.categories) }})))::integer, {{ unk_id }})
{%- endmacro %}

{#- An array that holds one value so many times. -#}
{% macro repeated(value, times) -%}
    {{ return(adapter.dispatch('repeated', 'pragma')(value, times)) }}
{%- endmacro %}

{% macro duckdb__repeated(value, times) -%}
    repeat([{{ value }}], {{ times }})
{%- endmacro %}

{#- A number that tells rows of other content apart, stable within one version of the engine. -#}
{% macro content_hash(columns) -%}
    {{ return(adapter.dispatch('content_hash', 'pragma')(columns)) }}
{%- endmacro %}

{% macro duckdb__content_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{#- The same of a map, in whatever order its keys stand; null of one without any. -#}
{% macro map_hash(map) -%}
    {{ return(adapter.dispatch('map_hash', 'pragma')(map)) }}
{%- endmacro %}

{#- Keys are unique, so no two of these cancel each other out. -#}
{% macro duckdb__map_hash(map) -%}
    list_bit_xor(list_transform(map_entries({{ map }}), lambda entry: hash(hash(entry))))
{%- endmacro %}

{#- An aggregate that tells sets of rows apart, whatever their order; equal rows do not cancel each other out. -#}
{% macro checksum_of(columns) -%}
    {{ return(adapter.dispatch('checksum_of', 'pragma')(columns)) }}
{%- endmacro %}

{#- Hashed twice: what differs in its last column alone would else differ in few bits. -#}
{% macro duckdb__checksum_of(columns) -%}
    (sum(hash({{ content_hash(columns) }})) % 18446744073709551616)::ubigint
{%- endmacro %}

{#- The same of the checksums of parts. -#}
{% macro checksum_of_checksums(checksum) -%}
    {{ return(adapter.dispatch('checksum_of_checksums', 'pragma')(checksum)) }}
{%- endmacro %}

{% macro duckdb__checksum_of_checksums(checksum) -%}
    (sum({{ checksum }}) % 18446744073709551616)::ubigint
{%- endmacro %}
