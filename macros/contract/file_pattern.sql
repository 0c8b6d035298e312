{#- The path is escaped, so that only `below` matches. -#}
{% macro file_pattern(path, below='') -%}
    {{ return(literal((path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]')) ~ below)) }}
{%- endmacro %}
