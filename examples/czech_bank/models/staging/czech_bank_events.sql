-- Made by `pragma init` from mapping.yml (90e6e3de0a78, cf5735525727); yours to edit.
with from_transaction as (
    select
        cast("account_id" as text) as user_id,
        cast("date" as timestamp) as ts,
        'transaction' as source,
        map_from_entries(
            list_filter(
                [
                    {'key': 'type', 'value': cast("type" as text)},
                    {'key': 'operation', 'value': cast("operation" as text)},
                    {'key': 'amount', 'value': cast("amount" as text)},
                    {'key': 'balance', 'value': cast("balance" as text)},
                    {'key': 'purpose', 'value': cast("k_symbol" as text)},
                    {'key': 'partner_bank', 'value': cast("bank" as text)}
                ],
                lambda field : not field.value is null
            )
        ) as fields,
        cast("trans_id" as text) as event_id
    from (
        select distinct
            *
        from read_parquet(
            '{{ pragma.project_folder() }}/../../../shared/data/czech_bank/trans_*.parquet',
            union_by_name = true
        )
    ) as rows
), from_card_issued as (
    select
        cast("account_id" as text) as user_id,
        cast("issued" as timestamp) as ts,
        'card_issued' as source,
        map_from_entries(
            list_filter(
                [{'key': 'card_type', 'value': cast("type" as text)}],
                lambda field : not field.value is null
            )
        ) as fields,
        cast("card_id" as text) as event_id
    from (
        select
            disp.account_id,
            card.card_id,
            card.issued,
            card.type
        from read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/card.parquet') as card
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/disp.parquet') as disp
            on card.disp_id = disp.disp_id
    ) as rows
    where
        "issued" < cast('1997-01-01' as date)
), final as (
    select
        user_id,
        ts,
        source,
        fields,
        event_id
    from from_transaction
    union all
    select
        user_id,
        ts,
        source,
        fields,
        event_id
    from from_card_issued
)
select
    *
from final
