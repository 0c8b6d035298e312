{% macro asked_overrides(overrides) -%}
    select
        'override' as kind,
        key as name,
        concat_ws(', ', nullif(kind, ''), case when static then 'static' end) as value
    from {{ overrides }}
    where coalesce({{ override_dataset(overrides) }}, {{ literal(dataset_var()) }}) = {{ literal(dataset_var()) }}
{%- endmacro %}
