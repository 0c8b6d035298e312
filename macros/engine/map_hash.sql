{% macro map_hash(map) -%}
    {{ return(adapter.dispatch('map_hash', 'pragma')(map)) }}
{%- endmacro %}

{#- Keys are unique, so no two of the hashes cancel out under xor. -#}
{% macro duckdb__map_hash(map) -%}
    list_bit_xor(list_transform(map_entries({{ map }}), lambda entry: hash(hash(entry))))
{%- endmacro %}
