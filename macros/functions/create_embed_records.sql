{% macro create_embed_records(width=none) -%}
create or replace macro main.embed_records(record) as embed_record({'record': record::varchar}){{ as_array(width) }}
{%- endmacro %}
