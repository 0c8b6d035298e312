{% macro missing_words() -%}
    {%- for word in var('missing_words') -%} {{ literal(word) }}{{ ', ' if not loop.last }} {%- endfor -%}
{%- endmacro %}
