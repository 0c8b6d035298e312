{#- Literals let the reader skip the other files. -#}
{% macro is_one_of(column, texts) -%}
    {%- if texts -%} {{ column }} in ({{ literals(texts) }}) {%- else -%} false {%- endif -%}
{%- endmacro %}
