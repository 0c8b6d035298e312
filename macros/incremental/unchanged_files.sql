{#-
    A file is unchanged if path, size, times and footer are the same. If files are not tracked one by one, `read_as` is
    empty and stands for all of them together.
-#}
{% macro unchanged_files() -%}
    select files.read_as
    from {{ contract_relation('source_files') }} as files
    left join {{ contract_relation('known_files') }} as known
        on
            {% for column in ('read_as', 'path', 'device', 'inode', 'size', 'mtime_ns', 'ctime_ns', 'tail', 'definition') -%}
            files.{{ column }} = known.{{ column }} {{ 'and' if not loop.last }}
            {% endfor %}
    group by files.read_as
    having
        count(*) = count(known.path)
        and count(*) = (select count(*) from {{ contract_relation('known_files') }} as every where every.read_as = files.read_as)
{%- endmacro %}
