{% macro share_in_words(share) -%}
    case
        when {{ share }} >= 0.0995 then round(100 * ({{ share }}))::integer::varchar
        else round(100 * ({{ share }}), 1)::decimal(9, 1)::varchar
    end || '%'
{%- endmacro %}
