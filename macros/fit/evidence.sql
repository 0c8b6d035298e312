{% macro evidence(why, weights) -%}
    {
        'weight': case
            {%- for condition, weight in weights %} when {{ condition }} then {{ weight }}{% endfor %} else 0
        end,
        'why': {{ why }}
    }
{%- endmacro %}
