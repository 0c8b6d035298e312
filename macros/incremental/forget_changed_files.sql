{#-
    A refresh replaces the table and deletes nothing from it first: DuckDB cannot replay, after a crash, a transaction
    that deletes rows and then renames their table, and the warehouse would not open.
-#}
{% macro forget_changed_files(file_partitions) -%}
    {%- if files_are_known() -%}
    delete from {{ file_partitions }} where read_as not in ({{ unchanged_files() }})
    {%- elif is_incremental() -%}
    delete from {{ file_partitions }}
    {%- endif -%}
{%- endmacro %}
