{#-
    The keys that hand-made features are made of, read from the fit: keys of events that hold numbers (also codes that are
    numbers, which may be ordered), keys of events that hold words with their most frequent values, and attributes with
    theirs.
-#}
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

{#- The windows in days, shortest first. -#}
{% macro feature_windows() -%}
    {{ return(var('feature_windows') | map('int') | sort | list) }}
{%- endmacro %}

{#- All spans in days: 0 for all time, then the windows. -#}
{% macro feature_spans() -%}
    {{ return([0] + feature_windows()) }}
{%- endmacro %}

{#- The filter of an aggregate for the last `days` days before the moment; `age` is in microseconds, at least 1. -#}
{% macro in_window(days) -%}
    {%- if days %} filter (where age <= {{ days * 86400000000 }}){% endif -%}
{%- endmacro %}

{#- The filter for the window of the same length just before the last `days` days. -#}
{% macro in_window_before(days) -%}
    filter (where age > {{ days * 86400000000 }} and age <= {{ 2 * days * 86400000000 }})
{%- endmacro %}
