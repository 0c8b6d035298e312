{#- External tables do not allow a quote inside a name, so it becomes an apostrophe. -#}
{% macro feature_name(name) -%}
    {{ adapter.quote(name | replace('"', "'")) }}
{%- endmacro %}
