{% macro copy_made_from() -%}
    copy (
        select * from {{ made_from() }} union all select * from {{ made_from('views') }} order by relation
    ) to {{ beside_warehouse_file('made_from.parquet') }} (format parquet)
{%- endmacro %}
