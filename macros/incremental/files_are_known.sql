{% macro files_are_known() -%}
    {{ return(
        execute and not flags.FULL_REFRESH
        and load_relation(contract_relation('file_partitions')) is not none
        and load_relation(contract_relation('known_files')) is not none
    ) }}
{%- endmacro %}
