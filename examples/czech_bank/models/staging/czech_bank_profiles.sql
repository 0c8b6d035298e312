-- Made by `pragma init` from mapping.yml (90e6e3de0a78, 9b1fdb257da4); yours to edit.
with events as (
    select
        *
    from {{ ref('czech_bank_events') }}
), first_events as (
    select
        user_id,
        min(ts) as first_event
    from events
    group by
        user_id
), attributes as (
    select
        cast("account_id" as text) as user_id,
        cast("opened" as timestamp) as as_of,
        map_from_entries(
            list_filter(
                [
                    {'key': 'frequency', 'value': cast("frequency" as text)},
                    {'key': 'region', 'value': cast("region" as text)},
                    {'key': 'sex', 'value': cast("sex" as text)},
                    {'key': 'birth_year', 'value': cast("birth_year" as text)}
                ],
                lambda field : not field.value is null
            )
        ) as attributes
    from (
        select
            account.account_id,
            account.date as opened,
            account.frequency,
            district.a3 as region,
            client.sex,
            year(client.birth_date) as birth_year
        from read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/account.parquet') as account
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/district.parquet') as district
            on account.district_id = district.a1
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/disp.parquet') as disp
            on account.account_id = disp.account_id and disp.type = 'OWNER'
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/client.parquet') as client
            on disp.client_id = client.client_id
    ) as rows
), dated as (
    select
        user_id,
        as_of,
        attributes
    from attributes
), occurrences as (
    select
        cast("account_id" as text) as user_id,
        'account_opened' as key,
        cast("opened" as timestamp) as ts
    from (
        select
            account.account_id,
            account.date as opened,
            account.frequency,
            district.a3 as region,
            client.sex,
            year(client.birth_date) as birth_year
        from read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/account.parquet') as account
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/district.parquet') as district
            on account.district_id = district.a1
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/disp.parquet') as disp
            on account.account_id = disp.account_id and disp.type = 'OWNER'
        join read_parquet('{{ pragma.project_folder() }}/../../../shared/data/czech_bank/client.parquet') as client
            on disp.client_id = client.client_id
    ) as rows
    union all
    select
        cast("account_id" as text) as user_id,
        'first_pension' as key,
        cast("date" as timestamp) as ts
    from (
        select distinct
            *
        from read_parquet(
            '{{ pragma.project_folder() }}/../../../shared/data/czech_bank/trans_*.parquet',
            union_by_name = true
        )
    ) as rows
    where
        "k_symbol" = 'old-age pension'
    union all
    select
        cast("account_id" as text) as user_id,
        'first_negative_balance' as key,
        cast("date" as timestamp) as ts
    from (
        select distinct
            *
        from read_parquet(
            '{{ pragma.project_folder() }}/../../../shared/data/czech_bank/trans_*.parquet',
            union_by_name = true
        )
    ) as rows
    where
        "balance" < 0
), milestones as (
    select
        user_id,
        key,
        min(ts) as ts
    from occurrences
    where
        not user_id is null and not ts is null
    group by
        user_id,
        key
), lifelong as (
    select
        user_id,
        array_agg({'key': key, 'ts': ts} order by ts, key) as lifelong,
        min(ts) as first_ts
    from milestones
    group by
        user_id
), starts as (
    select
        first_events.user_id,
        least(first_events.first_event, coalesce(lifelong.first_ts, first_events.first_event)) as as_of,
        cast(map() as map(text, text)) as attributes
    from first_events
    left join lifelong
        on first_events.user_id = lifelong.user_id
), known as (
    select
        user_id,
        min(as_of) as known_from
    from dated
    group by
        user_id
), early as (
    select
        starts.user_id,
        starts.as_of,
        starts.attributes
    from starts
    left join known
        on starts.user_id = known.user_id
    where
        known.known_from is null or known.known_from > starts.as_of
), snapshots as (
    select
        user_id,
        as_of,
        attributes
    from dated
    union all
    select
        user_id,
        as_of,
        attributes
    from early
), final as (
    select
        snapshots.user_id,
        snapshots.as_of,
        snapshots.attributes,
        coalesce(lifelong.lifelong, cast([] as struct(key text, ts timestamp)[])) as lifelong
    from snapshots
    left join lifelong
        on snapshots.user_id = lifelong.user_id
)
select
    *
from final
