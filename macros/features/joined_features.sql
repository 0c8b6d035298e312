{% macro joined_features(fields) -%}
    {%- for keys, table, letter in [(fields.numbers, 'numbers', 'n'), (fields.words, 'words', 'w')] -%}
        {%- for key in keys -%}
            {%- set name = letter ~ loop.index %}
    left join {{ table }} as {{ name }}
        on
            moments.user_id = {{ name }}.user_id
            and moments.eval_ts = {{ name }}.eval_ts
            and {{ name }}.key = {{ literal(key) }}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}
