"""Datasets that may not ship, as contract folders: a shop, students, and intensive care.

Where the publisher gives the test users, or where they come later in time, they lie after
`fit_until`: neither the tokenizer nor the training sees an event of theirs.
"""

# ruff: noqa: S608 - our own text

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
from drift_datasets import DATA, fields_map


def online_retail(con: duckdb.DuckDBPyConnection) -> None:
    """Lines of invoices of known customers; who buys, and who spends much, in the next 90 days."""
    con.execute(f"""
        create table lines as
        select
            customer_id::varchar as user_id,
            invoice_date as ts,
            case when invoice_no like 'C%' then 'cancellation' else 'sale' end as source,
            row_number() over ()::varchar as event_id,
            stock_code,
            nullif(trim(description), '') as description,
            quantity,
            unit_price as price,
            round(quantity * unit_price, 2) as amount,
            country
        from '{DATA}/online_retail/year_2009_2010.parquet'
        where customer_id is not null
    """)
    fields = fields_map(["stock_code", "description", "quantity", "price", "amount"])
    con.execute(f"""
        create table events as select user_id, ts, source, event_id, {fields} as fields from lines
    """)
    con.execute("""
        create table profiles as
        select user_id, min(ts) as as_of, map {'country': arg_min(country, ts)} as attributes
        from lines group by user_id
    """)
    con.execute("""
        create table labels as
        with
        moments as (
            select distinct user_id, eval_ts
            from lines, (select unnest(['2010-06-01', '2010-09-01'])::timestamp as eval_ts)
            where ts < eval_ts
        ),
        ahead as (
            select
                moments.*,
                count(lines.ts) filter (lines.source = 'sale') as sales,
                coalesce(sum(lines.amount), 0) as spend
            from moments left join lines
                on moments.user_id = lines.user_id
                and lines.ts > eval_ts and lines.ts <= eval_ts + interval 90 day
            group by all
        )
        select 'buys_90d' as task, user_id, eval_ts, (sales > 0)::double as label from ahead
        union all
        select 'high_spend_90d', user_id, eval_ts,
            (spend > median(spend) filter (sales > 0) over (partition by eval_ts))::double
        from ahead
    """)


def oulad(con: duckdb.DuckDBPyConnection) -> None:
    """Clicks of students; who fails or withdraws. The later presentation is a year later here."""
    _delay_test_users(con, "oulad")
    con.execute(f"""
        create table events as
        select user_id, ts + later as ts, 'click' as source,
            row_number() over (partition by user_id, ts order by site, activity_type, sum_click)
                ::varchar as event_id,
            {fields_map(["activity_type", "sum_click", "site"])} as fields
        from '{DATA}/oulad/events.parquet' join users using (user_id)
    """)
    con.execute("""
        create table profiles as
        select user_id, min(ts) as as_of, map {'module': left(user_id, 3)} as attributes
        from events group by user_id
    """)
    con.execute(f"""
        create table labels as
        select 'fail_or_withdraw' as task, user_id, eval_ts + later as eval_ts,
            fail_or_withdraw::double as label, split
        from '{DATA}/oulad/labels.parquet' join users using (user_id, split)
    """)


def physionet2012(con: duckdb.DuckDBPyConnection) -> None:
    """Measurements of two days; who dies in hospital. Set-b, the test set, is a year later here."""
    measured = [
        name
        for name, *_ in con.execute(
            f"describe from '{DATA}/physionet2012/events.parquet'"
        ).fetchall()
        if name not in ("user_id", "ts")
    ]
    _delay_test_users(con, "physionet2012")
    con.execute(f"""
        create table events as
        select user_id::varchar as user_id, ts + later as ts, 'measurement' as source,
            null::varchar as event_id, {fields_map(measured)} as fields
        from '{DATA}/physionet2012/events.parquet' join users using (user_id)
    """)
    con.execute(f"""
        create table profiles as
        select user_id::varchar as user_id, ts + later as as_of,
            {fields_map(["age", "gender", "height", "icu_type"])} as attributes
        from '{DATA}/physionet2012/profiles.parquet' join users using (user_id)
    """)
    con.execute(f"""
        create table labels as
        select 'in_hospital_death' as task, user_id::varchar as user_id,
            eval_ts + later as eval_ts, label::double as label, split
        from '{DATA}/physionet2012/labels.parquet' join users using (user_id, split)
    """)


def _delay_test_users(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A table `users` with each one's split, and how much later than given its moments are."""
    con.execute(f"""
        create table users as
        select user_id, split, case split when 'test' then interval 1 year else interval 0 day end
            as later
        from '{DATA}/{name}/labels.parquet'
    """)


WRITERS: Mapping[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "online_retail": online_retail,
    "oulad": oulad,
    "physionet2012": physionet2012,
}
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "online_retail": {"fit_until": "2010-06-01"},
    "oulad": {
        "fit_until": "2014-09-01",
        "test_share": "0",
        # Of the later presentation's pages the tokenizer knows hardly one.
        "drift_error": "{unknown: 1, moved: 1, times: 1000000, of_all: 1}",
    },
    "physionet2012": {"fit_until": "2001-01-01", "test_share": "0"},
}
"""Vars of the build. Where a dataset has test users of its own, none are drawn."""


def write_contract(name: str, folder: Path) -> None:
    """Write the contract folder of a dataset, unless it is there."""
    if folder.is_dir():
        return
    draft = folder.with_name(folder.name + ".draft")
    draft.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        WRITERS[name](con)
        for relation in ("events", "profiles", "labels"):
            con.execute(f"copy {relation} to '{draft}/{relation}.parquet'")
    draft.rename(folder)
