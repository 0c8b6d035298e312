{#- Codes that are numbers count as numbers too, because they may be ordered. -#}
{% macro feature_fields(fields, sources, categories) -%}
    {%- if not execute or load_relation(fields) is none -%}
        {{ return({'numbers': [], 'words': {}, 'attributes': {}}) }}
    {%- endif -%}
    {%- set numeric_codes = 'numeric_share >= ' ~ var('numeric_share') -%}
    {%- set rows = run_query(
        "select key, kind = 'numeric' or (kind = 'category' and " ~ numeric_codes ~ "), kind <> 'numeric', "
        ~ 'key in (select key from ' ~ sources ~ ' where source is not null), '
        ~ 'key in (select key from ' ~ sources ~ ' where source is null), kind from ' ~ fields
        ~ " where key <> 'milestone' order by kind <> 'numeric', key"
    ).rows -%}
    {%- set values = {} -%}
    {%- for key, value in run_query(
        'select key, value from ' ~ categories ~ ' where rank <= 32 order by key, rank'
    ).rows -%}
        {%- do values.setdefault(key, []).append(value) -%}
    {%- endfor -%}
    {%- set found = {'numbers': [], 'words': {}, 'attributes': {}} -%}
    {%- for key, is_number, is_word, of_events, of_profiles, kind in rows -%}
        {%- if of_events and is_number -%} {%- do found.numbers.append(key) -%} {%- endif -%}
        {%- if of_events and is_word -%} {%- do found.words.update({key: values.get(key, [])}) -%} {%- endif -%}
        {%- if of_profiles and kind in ('numeric', 'category') -%}
            {%- do found.attributes.update({key: values.get(key, [])}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
