{% macro joined_texts(texts) -%}
    {{ return(adapter.dispatch('joined_texts', 'pragma')(texts)) }}
{%- endmacro %}

{% macro default__joined_texts(texts) -%}
    {{ texts }}
{%- endmacro %}

{% macro online__joined_texts(texts) -%}
    texts_once
{%- endmacro %}
