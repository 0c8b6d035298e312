{#- dbt finds it by this name, from the `incremental_strategy` partitions. -#}
{% macro get_incremental_partitions_sql(arguments) -%}
    {%- set target_relation, made = arguments.target_relation, arguments.temp_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set changed = tokens_relation('changed_partitions') -%}
    {%- if tokens_are_stale() %}
    insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ made }}
    {%- else %}
    {%- set of_changed -%}
    where {{ within('written.ts', days_of(changed)) }}
        and exists (select 1 from {{ changed }} as changed where {{ in_partition('written', 'changed') }})
    {%- endset %}
    delete from {{ target_relation }} as written {{ of_changed }};
    insert into {{ target_relation }} ({{ columns }}) select {{ columns }} from {{ made }} as written {{ of_changed }}
    {%- endif %}
{%- endmacro %}
