{#-
    The most telling columns come first: counts and recency, attributes, last values, statistics of all time, then of
    each window, shares of values, trends, the clock, counts of values. Columns beyond `feature_columns_max` are dropped
    from the end, with a note.
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

{#- How many events there are, how recent and how regular; without events a count is 0, all else null. -#}
{% macro _recency_columns() -%}
    {%- set found = [] -%}
    {%- for days in feature_spans() -%}
        {%- set suffix = '_' ~ days ~ 'd' if days else '' -%}
        {%- do found.append(_column('events', 'events' ~ suffix, 'coalesce(counts.events_' ~ days ~ ', 0)')) -%}
        {%- do found.append(_column('events', 'active_days' ~ suffix, 'coalesce(days.days_' ~ days ~ ', 0)')) -%}
        {%- if days -%}
            {%- do found.append(_column('events', 'ratio_events' ~ suffix,
                'counts.events_' ~ days ~ ' / nullif(counts.events_before_' ~ days ~ ', 0)')) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for name, sql in {
        'days_since_last': 'counts.newest / 86400e6',
        'days_since_first': 'counts.oldest / 86400e6',
        'gap_days_mean': '(counts.oldest - counts.newest) / nullif(counts.events_0 - 1, 0) / 86400e6',
        'gap_days_sd': 'sqrt(' ~ spread('counts.gaps', 'counts.gap_seconds', 'counts.gap_squares')
            ~ ' / nullif(counts.gaps * (counts.gaps - 1), 0)) / 86400',
        'gap_days_last': 'counts.last_gap / 86400e6',
    }.items() -%}
        {%- do found.append(_column('recency and gaps', name, sql)) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The attributes of the newest snapshot: a number, or one of the 32 most frequent words. -#}
{% macro _attribute_columns(fields) -%}
    {%- set found = [] -%}
    {%- for key, values in fields.attributes.items() -%}
        {%- set value = 'attributes.attributes[' ~ literal(key) ~ ']' -%}
        {%- if values -%}
            {%- set value = 'case when ' ~ value ~ ' in (' ~ literals(values) ~ ') then ' ~ value ~ ' when ' ~ value
                ~ " is not null then '(other)' end" -%}
        {%- else -%}
            {%- set value = parse_number(value) -%}
        {%- endif -%}
        {%- do found.append(_column('attributes', 'attribute ' ~ key, value)) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The last value of each key, the number of distinct values, and their entropy. -#}
{% macro _last_columns(fields) -%}
    {%- set found = [] -%}
    {%- for key in fields.words -%}
        {%- set source = 'w' ~ loop.index -%}
        {%- if fields.words[key] -%}
            {%- do found.append(_column('last values', 'last value ' ~ key, source ~ '.last')) -%}
        {%- endif -%}
        {%- do found.append(
            _column('distinct values', 'distinct ' ~ key, 'coalesce(' ~ source ~ '.distinct_values, 0)')) -%}
        {%- do found.append(_column('distinct values', 'entropy ' ~ key, source ~ '.entropy')) -%}
    {%- endfor -%}
    {%- for key in fields.numbers -%}
        {%- do found.append(_column('last values', 'last ' ~ key, 'n' ~ loop.index ~ '.last')) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Statistics of each number in one window. -#}
{% macro _number_columns(fields, days) -%}
    {%- set found = [] -%}
    {%- for statistic, title in {
        'mean': 'mean', 'sum': 'sum', 'max': 'max', 'min': 'min', 'sd': 'sd', 'count': 'count',
        'negative': 'negative share'
    }.items() -%}
        {%- for key in fields.numbers -%}
            {%- set sql = 'n' ~ loop.index ~ '.' ~ statistic ~ '_' ~ days -%}
            {%- do found.append(_column('statistics of numbers', _windowed(title ~ ' ' ~ key, days),
                'coalesce(' ~ sql ~ ', 0)' if statistic == 'count' else sql)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- How numbers change: the slope per day, and the ratio of a window's sum to that of the window before. -#}
{% macro _trend_columns(fields) -%}
    {%- set found = [] -%}
    {%- for days in feature_spans() | reverse -%}
        {%- for statistic in ['slope', 'ratio'] if statistic == 'slope' or days -%}
            {%- for key in fields.numbers -%}
                {%- do found.append(_column('trends', _windowed(statistic ~ ' ' ~ key, days),
                    'n' ~ loop.index ~ '.' ~ statistic ~ '_' ~ days)) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- Counts or shares of the most frequent values: first the top value of every key, then the second, ... -#}
{% macro _value_columns(fields, what) -%}
    {%- set found = [] -%}
    {%- for rank in range(1, 33) -%}
        {%- for key, values in fields.words.items() -%}
            {%- if values | length >= rank -%}
                {%- set source = 'w' ~ loop.index -%}
                {%- set n = source ~ '.n_' ~ rank -%}
                {%- do found.append(_column(what ~ 's of values', what ~ ' ' ~ key ~ ' ' ~ values[rank - 1],
                    n ~ ' / ' ~ source ~ '.n' if what == 'share' else 'coalesce(' ~ n ~ ', 0)')) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- When events happen, in the time zone `calendar_tz`, and the month of the moment. -#}
{% macro _clock_columns() -%}
    {%- set found = [_column('hours and weekdays', 'moment_month', 'extract(month from moments.eval_ts)')] -%}
    {%- for day in ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] -%}
        {%- do found.append(_column('hours and weekdays', 'share ' ~ day,
            'counts.weekday_' ~ loop.index0 ~ ' / counts.events_0')) -%}
    {%- endfor -%}
    {%- for hours in range(0, 24, 4) -%}
        {%- do found.append(_column('hours and weekdays', 'share hours ' ~ hours ~ ' to ' ~ (hours + 4),
            'counts.hours_' ~ hours ~ ' / counts.events_0')) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro _column(family, name, sql) -%}
    {{ return({'family': family, 'name': name, 'sql': sql}) }}
{%- endmacro %}
