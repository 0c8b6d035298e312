{#-
    The width makes the type of vectors that of the tables. Without one (no model yet, or models of several widths) they
    are lists.
-#}
{% macro as_array(width) -%} {{ '::float[' ~ width ~ ']' if width else '' }} {%- endmacro %}
