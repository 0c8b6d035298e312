{#- Categories are numbered in order from `first_id`. -#}
{% macro category_id(value, field, unk_id) -%}
    {%- if not field.categories -%} {{ unk_id }}
    {%- else -%} {{ return(adapter.dispatch('category_id', 'pragma')(value, field, unk_id)) }}
    {%- endif -%}
{%- endmacro %}

{#-
    A cast to an enum looks the value up without a join, which would carry all other columns along. The code is widened,
    because its type is as narrow as the enum.
-#}
{% macro duckdb__category_id(value, field, unk_id) -%}
    coalesce({{ field.first_id }} + enum_code(try_cast({{ value }} as enum (
{{ literals(field.categories) }})))::integer, {{ unk_id }})
{%- endmacro %}
