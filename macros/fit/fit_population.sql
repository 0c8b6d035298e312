{% macro fit_population(population) -%}
    {%- if not execute or load_relation(population) is none -%}
        {{ return({'fit_until': '0001-01-01', 'fit_users': 'train'}) }}
    {%- endif -%}
    {%- set row = run_query('select fit_until::varchar, fit_users from ' ~ population).rows[0] -%}
    {{ return({'fit_until': row[0], 'fit_users': row[1]}) }}
{%- endmacro %}
