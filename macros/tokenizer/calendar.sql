{#- Hour 0-23, weekday 0-6 from Monday and day of the month 1-31 of a UTC timestamp, in a time zone. -#}
{% macro calendar(ts, zone) -%}
    {%- set local = local_time(ts, zone) -%}
    extract(hour from {{ local }})::utinyint as hour,
        (extract(isodow from {{ local }}) - 1)::utinyint as weekday,
        extract(day from {{ local }})::utinyint as monthday
{%- endmacro %}
