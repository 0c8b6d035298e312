{% macro forget_partitions(unlike) -%}
    delete from {{ tokens_relation('_ingested') }} as ingested
    where exists (select 1 from {{ unlike }} as unlike where {{ same_partition('ingested', 'unlike') }});
    insert into {{ tokens_relation('_ingested') }} by name
    select distinct day, bucket, -1 as events, {{ content_probe() }} as probe from {{ unlike }}
{%- endmacro %}
