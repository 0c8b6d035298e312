{% macro say_drift(results) -%}
    {%- set asked = results | selectattr('node.name', 'equalto', 'assert_tokens_are_as_in_the_fit')
        | selectattr('status', 'in', ['warn', 'fail']) | list -%}
    {%- if execute and asked -%}
        {%- set found = run_query(
            'select line from ' ~ tokens_relation('drift_lines') ~ ' order by harm desc, line'
        ).rows -%}
        {%- for row in found[:var('drift_lines')] -%} {%- do log('drift: ' ~ row[0], info=true) -%} {%- endfor -%}
        {%- if found | length > var('drift_lines') -%}
            {%- do log('drift: and ' ~ (found | length - var('drift_lines')) ~ ' more, in tokens.drift_lines', info=true) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
