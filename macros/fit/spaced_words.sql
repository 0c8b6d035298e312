{#- So 'daysLate_2' becomes ' days late 2 '. -#}
{% macro spaced_words(key) -%}
    lower(' ' || trim(regexp_replace(regexp_replace(
        regexp_replace({{ key }}, '([a-z0-9])([A-Z])', '\1 \2', 'g'), '([A-Za-z])([0-9])', '\1 \2', 'g'
    ), '[^\p{L}\p{N}]+', ' ', 'g')) || ' ')
{%- endmacro %}
