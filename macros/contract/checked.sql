{#- A contract relation, for models that may run only after the contract's checks: it adds the gate as a dependency. -#}
{% macro checked(name) -%}
    {%- do ref('rejected') -%}
    {{ return(ref(name)) }}
{%- endmacro %}
