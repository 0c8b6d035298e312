{#-
    The dataset that is built: the prefix of the models that fill the contract. `book` is the old name of the var, which
    still works in projects that set it.
-#}
{% macro dataset_var() -%} {{ return(var('book', '') or var('dataset')) }} {%- endmacro %}

{#- The column of the seed field_overrides that names a dataset; in older seeds it is `book`. -#}
{% macro override_dataset(overrides) -%}
    {%- set names = adapter.get_columns_in_relation(overrides) | map(attribute='name') | list if execute else [] -%}
    {{ return('book' if 'book' in names and 'dataset' not in names else 'dataset') }}
{%- endmacro %}
