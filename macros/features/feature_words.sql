{% macro feature_words(fields, categories) -%}
said as (
    select
        moments.user_id,
        moments.eval_ts,
        entries.field.key as key,
        entries.field.value as value,
        count(*) as n,
        max(entries.place) as last_place
    from moments
    inner join entries on moments.user_id = entries.user_id and entries.ts < moments.eval_ts
    where entries.field.key in ({{ literals(fields.words) or 'null' }}) and entries.field.value is not null
    group by moments.user_id, moments.eval_ts, entries.field.key, entries.field.value
),

words as (
    select
        said.user_id,
        said.eval_ts,
        said.key,
        {{ _word_counts() }}
    from said
    left join {{ categories }} as frequent
        on said.key = frequent.key and said.value = frequent.value and frequent.rank <= 32
    group by said.user_id, said.eval_ts, said.key
)
{%- endmacro %}

{#- How a user's values of one word key are spread; logarithms are rounded, so that the order of adding does not matter. -#}
{% macro _word_counts() -%}
    sum(said.n)::bigint as n,
        count(*) as distinct_values,
        greatest(ln(sum(said.n)) - sum(round(said.n * ln(said.n) * 1e6)::bigint) / 1e6 / sum(said.n), 0) as entropy,
        arg_max(case when frequent.rank is null then '(other)' else said.value end, said.last_place) as last
        {%- for rank in range(1, 33) %},
        coalesce(sum(said.n) filter (where frequent.rank = {{ rank }}), 0)::bigint as n_{{ rank }}
        {%- endfor %}
{%- endmacro %}
