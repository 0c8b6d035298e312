{% macro forget_unlike(results) -%}
    {%- set failed = results | selectattr('node.name', 'equalto', 'assert_each_event_has_its_tokens')
        | selectattr('status', 'equalto', 'fail') | list if execute else [] -%}
    {%- if failed -%}
    create or replace temp table unlike as
    {{ partitions_unlike_tokens(
        tokens_relation('_ingested'), tokens_relation('event_tokens'), contract_relation('event_partitions')
    ) }};
    {{ forget_partitions('unlike') }}
    {%- endif -%}
{%- endmacro %}
