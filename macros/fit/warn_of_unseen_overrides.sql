{#- A misspelt key would otherwise go unnoticed. -#}
{% macro warn_of_unseen_overrides(overrides, field_values) -%}
    {%- set unseen = run_query(
        'select key from ' ~ overrides ~ ' where key not in (select key from ' ~ field_values ~ ') and coalesce(' ~ override_dataset(overrides) ~ ', '
        ~ literal(dataset_var()) ~ ') = ' ~ literal(dataset_var()) ~ ' order by key'
    ).columns[0].values() if execute else [] -%}
    {%- if unseen -%}
        {%- do exceptions.warn(
            'seeds/field_overrides.csv: ' ~ (unseen | length) ~ ' of its keys never '
            ~ ('occurs' if unseen | length == 1 else 'occur') ~ ' in the fit population, for example '
            ~ unseen[0] ~ '; look for a misspelling, or remove the row'
        ) -%}
    {%- endif -%}
{%- endmacro %}
