{% macro show_present_vectors(relation) -%}
    {{ show_own_file(relation) }}
    {%- if execute %}
    and {{ is_of_present_vectors(relation.identifier, relation.schema) }}
    {%- endif -%}
{%- endmacro %}
