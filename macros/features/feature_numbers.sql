{#-
    A key's scale turns the largest number of the fit into ten-digit units; numbers more than about a hundred times as
    large are clipped.
-#}
{% macro feature_numbers(fields, bins, categories) -%}
scales as (
    select
        key,
        pow(10, least(greatest(9 - floor(log10(max(abs(number)))), -290), 290)) as scale
    from (
        select key, upper_edge as number from {{ bins }}
        union all
        select key, {{ parse_number('value') }} from {{ categories }}
    )
    where number <> 0
    group by key
),

parsed as (
    select
        user_id,
        ts,
        place,
        field.key as key,
        {{ parse_number('field.value') }} as number
    from entries
    where field.key in ({{ literals(fields.numbers) or 'null' }})
),

scaled as (
    select
        parsed.*,
        coalesce(scales.scale, 1) as scale,
        round(least(greatest(parsed.number * coalesce(scales.scale, 1), -1e12), 1e12))::bigint as units
    from parsed
    left join scales on parsed.key = scales.key
    where parsed.number is not null
),

aged as (
    select
        moments.eval_ts,
        scaled.*,
        date_diff('microsecond', scaled.ts, moments.eval_ts) as age
    from moments
    inner join scaled on moments.user_id = scaled.user_id and scaled.ts < moments.eval_ts
),

number_sums as (
    select
        user_id,
        eval_ts,
        key,
        {{ _number_sums() }}
    from aged
    group by user_id, eval_ts, key
),

numbers as (
    select
        user_id,
        eval_ts,
        key,
        {{- _number_statistics() }}
    from number_sums
)
{%- endmacro %}

{#-
    Sums of a user's numbers of one key before a moment, by window. They add whole numbers (units of the key's scale,
    minutes before the moment), so they do not depend on the order in which threads add.
-#}
{% macro _number_sums() -%}
    any_value(scale) as scale,
        {%- for days in feature_spans() %}
        count(*) {{- in_window(days) }} as n_{{ days }},
        sum(units) {{- in_window(days) }} as x_{{ days }},
        sum(units::hugeint * units) {{- in_window(days) }} as xx_{{ days }},
        sum(age // 60000000) {{- in_window(days) }} as t_{{ days }},
        sum((age // 60000000)::hugeint * (age // 60000000)) {{- in_window(days) }} as tt_{{ days }},
        sum((age // 60000000)::hugeint * units) {{- in_window(days) }} as tx_{{ days }},
        min(number) {{- in_window(days) }} as min_{{ days }},
        max(number) {{- in_window(days) }} as max_{{ days }},
        count(*) filter (where number < 0 {{- ' and age <= ' ~ days * 86400000000 if days }}) as negative_{{ days }},
        {%- if days %}
        sum(units) {{ in_window_before(days) }} as x_before_{{ days }},
        {%- endif %}
        {%- endfor %}
        arg_max(number, place) as last
{%- endmacro %}

{#- The usual statistics from `number_sums`; null where there are too few values. -#}
{% macro _number_statistics() -%}
    {%- for days in feature_spans() %}
        n_{{ days }} as count_{{ days }},
        x_{{ days }} / scale as sum_{{ days }},
        x_{{ days }} / scale / n_{{ days }} as mean_{{ days }},
        sqrt({{ spread('n_' ~ days, 'x_' ~ days, 'xx_' ~ days) }} / nullif(n_{{ days }} * (n_{{ days }} - 1), 0))
        / scale as sd_{{ days }},
        min_{{ days }},
        max_{{ days }},
        -- Ages grow backwards, in minutes; a slope is a day's.
        -1440 * {{ spread('n_' ~ days, 'x_' ~ days, 'tx_' ~ days, 't_' ~ days) }}
        / nullif({{ spread('n_' ~ days, 't_' ~ days, 'tt_' ~ days) }}, 0) / scale as slope_{{ days }},
        negative_{{ days }} / nullif(n_{{ days }}, 0) as negative_{{ days }},
        {%- if days %}
        (x_{{ days }} / nullif(x_before_{{ days }}, 0)) as ratio_{{ days }},
        {%- endif %}
        {%- endfor %}
        last
{%- endmacro %}
