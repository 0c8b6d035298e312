-- Made by `pragma init` from mapping.yml (4cc85cb16155, 25beb1635e9c); yours to edit.
with attributes as (
    select
        cast("ID" as text) as user_id,
        cast('2005-09-30 00:00:00' as timestamp) as as_of,
        map_from_entries(
            list_filter(
                [
                    {'key': 'credit_limit', 'value': cast("LIMIT_BAL" as text)},
                    {'key': 'sex', 'value': cast("SEX" as text)},
                    {'key': 'education', 'value': cast("EDUCATION" as text)},
                    {'key': 'marriage', 'value': cast("MARRIAGE" as text)},
                    {'key': 'age', 'value': cast("AGE" as text)}
                ],
                lambda field : not field.value is null
            )
        ) as attributes
    from read_parquet('{{ pragma.project_folder() }}/clients.parquet')
), dated as (
    select
        user_id,
        as_of,
        attributes
    from attributes
), snapshots as (
    select
        *
    from dated
), final as (
    select
        user_id,
        as_of,
        attributes,
        cast([] as struct(key text, ts timestamp)[]) as lifelong
    from snapshots
)
select
    *
from final
