{#-
    Without the var, it is the most frequent attribute among those with 2 to 50 values in the fit; a tie goes to the one
    closest to 8 values, whose colours differ well.
-#}
{% macro map_attribute() -%}
    {%- set asked = var('map_attribute') -%}
    {%- set values = fit_relation('source_values') -%}
    {%- if not execute or load_relation(values) is none -%} {{ return(asked) }} {%- endif -%}
    {%- set known = run_query(
        'select key, count(*) between 2 and 50 as few from ' ~ values ~ " where source is null and key <> 'milestone'"
        ~ ' group by key order by few desc, sum(n) desc, abs(count(*) - 8), key'
    ).rows -%}
    {%- set names = known | map('first') | list -%}
    {%- if asked and asked not in names -%}
        {%- do log(
            "warning: the map has no segments: no profile has the attribute '" ~ asked ~ "' (the var map_attribute); there are: "
            ~ (names | join(', ') or 'none'), info=true
        ) -%}
    {%- endif -%}
    {{ return(asked or (names[0] if known and known[0][1] else '')) }}
{%- endmacro %}
