{#- A file that was written to a moment ago is read again. -#}
{% macro keep_files() -%}
    create or replace table {{ contract_relation('known_files') }} as
    select * from {{ contract_relation('source_files') }} where settled
{%- endmacro %}
