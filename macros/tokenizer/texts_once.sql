{#- If the texts are a view, each key would otherwise compute them again. -#}
{% macro texts_once(texts) -%}
    {{ return(adapter.dispatch('texts_once', 'pragma')(texts)) }}
{%- endmacro %}

{% macro default__texts_once(texts) -%} {%- endmacro %}

{% macro online__texts_once(texts) %}
texts_once as materialized (
    select * from {{ texts }}
),
    {% endmacro %}
