{#-
    The columns of `user_features` as {family, name, sql}, the most telling first: counts and recency, attributes, last
    values, statistics of all time, then of each window, shares of values, trends, the clock, counts of values. Columns
    beyond `feature_columns_max` are dropped from the end, with a note.
-#}
{% macro feature_columns(fields) -%}
    {%- set columns = (
        _recency_columns() + _attribute_columns(fields) + _last_columns(fields) + _number_columns(fields, 0)
    ) -%}
    {%- for days in feature_windows() | reverse -%}
        {%- do columns.extend(_number_columns(fields, days)) -%}
    {%- endfor -%}
    {%- do columns.extend(
        _value_columns(fields, 'share') + _trend_columns(fields) + _clock_columns() + _value_columns(fields, 'count')
    ) -%}
    {%- set most = var('feature_columns_max') | int -%}
    {%- if execute and columns | length > most -%}
        {%- set dropped = [] -%}
        {%- for family, group in columns[most:] | groupby('family') -%}
            {%- do dropped.append((group | length) ~ ' ' ~ family) -%}
        {%- endfor -%}
        {%- do log(
            'views.user_features: ' ~ most ~ ' of ' ~ (columns | length) ~ ' columns (var feature_columns_max); left out: '
            ~ dropped | join(', '), info=True
        ) -%}
    {%- endif -%}
    {{ return(_named_once(columns[:most])) }}
{%- endmacro %}

{#- The columns with unique names, ignoring case, of at most 63 bytes, which is what databases allow. -#}
{% macro _named_once(columns) -%}
    {%- set taken, named = {'user_id': true, 'eval_ts': true}, [] -%}
    {%- for column in columns -%}
        {%- set name = namespace(short=_shortened(column.name, 63), copies=1) -%}
        {%- if name.short | lower in taken -%}
            {%- for _ in columns if name.short | lower in taken -%}
                {%- set name.copies = name.copies + 1 -%}
                {%- set name.short = _shortened(column.name, 57) ~ ' (' ~ name.copies ~ ')' -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do taken.update({name.short | lower: true}) -%}
        {%- do named.append({'name': name.short, 'sql': column.sql}) -%}
    {%- endfor -%}
    {{ return(named) }}
{%- endmacro %}

{% macro _shortened(name, most) -%}
    {{ return(name.encode('utf-8')[:most].decode('utf-8', 'ignore')) }}
{%- endmacro %}

{#- A name with its window in days, such as `sum amount 30d`; 0 stands for all time: `sum amount`. -#}
{% macro _windowed(name, days) -%}
    {{ return(name ~ (' ' ~ days ~ 'd' if days else '')) }}
{%- endmacro %}

{#- A quoted column name. External tables do not allow a quote inside a name, so it becomes an apostrophe. -#}
{% macro feature_name(name) -%}
    {{ adapter.quote(name | replace('"', "'")) }}
{%- endmacro %}
