-- Made by `pragma init` from mapping.yml (90e6e3de0a78, 032233da8d22); yours to edit.
select
    'bad_loan' as task,
    cast("account_id" as text) as user_id,
    cast("date" as timestamp) as eval_ts,
    cast("status" in ('B', 'D') as double) as label
from read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/loan.parquet')
