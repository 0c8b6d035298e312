{% macro event_counts() -%}
    {%- for days in feature_spans() %}
        count(*) {{- in_window(days) }} as events_{{ days }},
        {%- if days %}
        count(*) {{ in_window_before(days) }} as events_before_{{ days }},
        {%- endif %}
        {%- endfor %}
        {%- for hours in range(0, 24, 4) %}
        count(*) filter (where hour // 4 = {{ hours // 4 }}) as hours_{{ hours }},
        {%- endfor %}
        {%- for weekday in range(7) %}
        count(*) filter (where weekday = {{ weekday }}) as weekday_{{ weekday }},
        {%- endfor %}
        min(age) as newest,
        max(age) as oldest,
        count(gap) as gaps,
        sum(gap // 1000000) as gap_seconds,
        sum((gap // 1000000)::hugeint * (gap // 1000000)) as gap_squares,
        arg_max(gap, place) as last_gap
{%- endmacro %}
