{% macro other_partitions(present, known) -%}
    select
        present.day,
        present.bucket
    from {{ present }} as present
    left join {{ known }} as known on {{ same_partition('present', 'known') }}
    where known.events is distinct from present.events or known.checksum is distinct from present.checksum
{%- endmacro %}
