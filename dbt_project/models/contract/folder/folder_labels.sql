-- labels.parquet of all tasks; absent means none.
{% if has_contract_file('labels') -%}
select
    task::varchar as task,
    user_id::varchar as user_id,
    eval_ts::timestamp as eval_ts,
    label::double as label
from {{ contract_file('labels') }}
{%- else -%}
select
    null::varchar as task,
    null::varchar as user_id,
    null::timestamp as eval_ts,
    null::double as label
where false
{%- endif %}
