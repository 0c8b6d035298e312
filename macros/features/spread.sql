{#- The sums are whole numbers, so the result is exact before the cast to double. -#}
{% macro spread(n, x, xy, y=none) -%}
    ({{ n }} * {{ xy }} - {{ x }}::hugeint * {{ y or x }})::double
{%- endmacro %}
