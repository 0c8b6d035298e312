-- Without label files there are no labels.
{% for file in label_files() -%}
select
    {{ file.task }}::varchar as task,
    user_id::varchar as user_id,
    {{ file.moment }} as eval_ts,
    label::double as label,
    {{ file.split or 'null' }}::varchar as split
from {{ parquet_file(file.path) }}
union all
{% endfor -%}
select
    null::varchar as task,
    null::varchar as user_id,
    null::timestamp as eval_ts,
    null::double as label,
    null::varchar as split
where false
