{#-
    `fit_until` is the cut-off of a refit, else the var, else the earliest moment of a label, else just after the latest
    event and profile.
-#}
{% macro decide_population(events, profiles, labels) -%}
    {%- set users, moved = var('fit_users'), moved_cut() -%}
    {%- set given = ('' if moved == 'latest' else moved) or var('fit_until') | string -%}
    {%- if not execute or is_frozen() or load_relation(labels) is none -%}
        {{ return({'fit_until': '0001-01-01', 'fit_users': users, 'reason': ''}) }}
    {%- endif -%}
    {%- if users not in ('train', 'all') -%}
        {{ refuse("the var `fit_users` is '" ~ users ~ "'", 'set it to train or all') }}
    {%- endif -%}
    {%- set moments = run_query(
        'select try_cast(nullif(' ~ literal(given) ~ ", '') as timestamp)::varchar, min(eval_ts)::varchar from " ~ labels
    ).rows[0] -%}
    {%- if given and not moments[0] -%}
        {{ refuse("the var `fit_until` is '" ~ given ~ "', which is no moment", 'write it like 2024-01-31') }}
    {%- endif -%}
    {%- set span = run_query(
        'select min(ts)::varchar, max(ts)::varchar, (greatest(max(ts), (select max(as_of) from ' ~ profiles
        ~ ')) + interval 1 microsecond)::varchar from ' ~ events
    ).rows[0] -%}
    {%- set latest = moved == 'latest' or not moments[0] and not moments[1] -%}
    {%- set reason = 'just after the latest event and profile' if latest else 'as the refit was told' if moved
        else 'the var fit_until' if given else 'the earliest moment of a label' -%}
    {%- set until = span[2] if latest else moments[0] or moments[1] -%}
    {%- set someone = run_query(
        'select 1 from ' ~ events ~ ' where ts < ' ~ literal(until) ~ '::timestamp and '
        ~ fit_users('user_id', users) ~ ' limit 1'
    ).rows -%}
    {%- if not someone -%}
        {{ refuse(
            'there is nothing to fit on: no event of ' ~ ('any' if users == 'all' else 'a training') ~ ' user before fit_until, '
            ~ until ~ ' (' ~ reason ~ '); the events span ' ~ span[0] ~ ' .. ' ~ span[1],
            'choose a moment within them: --var fit_until=...' if users == 'all'
            else 'choose a moment within them, --var fit_until=..., or fit on all users, --var fit_users=all'
        ) }}
    {%- endif -%}
    {%- do log('fit: ' ~ ('all' if users == 'all' else 'training') ~ ' users, before ' ~ until ~ ' (' ~ reason ~ ')', info=true) -%}
    {{ return({'fit_until': until, 'fit_users': users, 'reason': reason}) }}
{%- endmacro %}
