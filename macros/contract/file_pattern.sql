{#- A file, or what a pattern matches below it, as a literal; what the folders themselves are called is no pattern. -#}
{% macro file_pattern(path, below='') -%}
    {{ return(literal((path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]')) ~ below)) }}
{%- endmacro %}
