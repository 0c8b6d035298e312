{#- A contract relation, for models that may run only after the contract's checks have passed. -#}
{% macro checked(name) -%}
    {%- do ref('rejected') -%}
    {{ return(ref(name)) }}
{%- endmacro %}
