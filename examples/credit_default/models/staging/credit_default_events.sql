-- Made by `pragma init` from mapping.yml (4cc85cb16155, c3a36b537ff9); yours to edit.
with from_statement as (
    select
        cast("ID" as text) as user_id,
        cast(last_day(cast((
            "month" || '-01'
        ) as date)) as timestamp) as ts,
        'statement' as source,
        map_from_entries(
            list_filter(
                [
                    {'key': 'repayment', 'value': cast("pay_status" as text)},
                    {'key': 'bill', 'value': cast("bill_amt" as text)},
                    {'key': 'paid', 'value': cast("pay_amt" as text)}
                ],
                lambda field : not field.value is null
            )
        ) as fields
    from read_parquet('{{ pragma.project_folder() }}/monthly_events.parquet')
), hashed_statement as (
    select
        user_id,
        ts,
        source,
        fields,
        md5(to_json({'user_id': user_id, 'ts': ts, 'source': source, 'fields': fields})) as content
    from from_statement
), final as (
    select
        user_id,
        ts,
        source,
        fields,
        content || '-' || row_number() over (partition by content) as event_id
    from hashed_statement
)
select
    *
from final
