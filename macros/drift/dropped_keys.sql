{% macro dropped_keys(overrides) -%}
    select overrides.key from {{ overrides }} as overrides
    where overrides.kind = 'drop' and coalesce(overrides.{{ override_dataset(overrides) }}, {{ literal(dataset_var()) }}) = {{ literal(dataset_var()) }}
{%- endmacro %}
