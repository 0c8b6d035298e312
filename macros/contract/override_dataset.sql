{#- In older seeds the column is called `book`. -#}
{% macro override_dataset(overrides) -%}
    {%- set names = adapter.get_columns_in_relation(overrides) | map(attribute='name') | list if execute else [] -%}
    {{ return('book' if 'book' in names and 'dataset' not in names else 'dataset') }}
{%- endmacro %}
