-- Made by `pragma init` from mapping.yml (4cc85cb16155, b6d7a9b1433b); yours to edit.
select
    'default_next_month' as task,
    cast("ID" as text) as user_id,
    cast('2005-10-01 00:00:00' as timestamp) as eval_ts,
    cast("default.payment.next.month" as double) as label
from read_parquet('{{ pragma.project_folder() }}/clients.parquet')
