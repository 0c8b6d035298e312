{% macro finish_fit(results) -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') and fit_is_unfinished() and fit_succeeded(results) -%}
    drop table {{ fit_relation('unfinished') }};
    {%- endif -%}
{%- endmacro %}
