{% macro number_bin(number, edges, first_id) -%}
    {{ return(adapter.dispatch('number_bin', 'pragma')(number, edges, first_id)) }}
{%- endmacro %}

{% macro default__number_bin(number, edges, first_id) -%}
    {{ numeric_bin(number, edges, first_id) }}
{%- endmacro %}

{% macro online__number_bin(number, edges, first_id) -%}
    {{ numeric_bin_by_count(number, edges, first_id) }}
{%- endmacro %}
