{% macro calendar(ts, zone) -%}
    {%- set local = local_time(ts, zone) -%}
    extract(hour from {{ local }})::utinyint as hour,
        (extract(isodow from {{ local }}) - 1)::utinyint as weekday,
        extract(day from {{ local }})::utinyint as monthday
{%- endmacro %}
