{#- The dependency on the gate makes dbt run the model after the checks. -#}
{% macro checked_ref(name) -%}
    {%- do ref('rejected') -%}
    {{ return(ref(name)) }}
{%- endmacro %}
