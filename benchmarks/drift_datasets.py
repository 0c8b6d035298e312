"""Real datasets as contract folders, their weeks shuffled, with drifts planted in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Dataset:
    """A dataset: its rows as SQL, and where drift is planted."""

    name: str
    rows: str
    """A query with user_id, ts, source, event_id and a column a field."""
    fields: tuple[str, ...]
    amount: str
    category: str
    common: str
    """A frequent value of it."""


DATASETS = (
    Dataset(
        "purchase_cards",
        """
        select
            card_suffix || coalesce(directorate, '') as user_id,
            trans_date::timestamp as ts,
            'card' as source,
            row_number() over ()::varchar as event_id,
            merchant_name as merchant,
            original_gross_amt as amount,
            original_cur as currency,
            nullif(trim(expense_category), '') as expense_category,
            nullif(trim(cost_centre_desc), '') as cost_centre,
            upper(trim(vat_desc)) as vat
        from '{data}/purchase_cards/transactions.parquet' where trans_date >= '2014-04-01'
        """,
        ("merchant", "amount", "currency", "expense_category", "cost_centre", "vat"),
        "amount",
        "expense_category",
        "Vehicle Fuel",
    ),
    Dataset(
        "online_retail",
        """
        select
            coalesce(customer_id::varchar, 'guest ' || invoice_no) as user_id,
            invoice_date::timestamp as ts,
            case when invoice_no like 'C%' then 'cancellation' else 'sale' end as source,
            row_number() over ()::varchar as event_id,
            stock_code,
            nullif(trim(description), '') as description,
            quantity,
            unit_price as price,
            country
        from '{data}/online_retail/year_2009_2010.parquet'
        """,
        ("stock_code", "description", "quantity", "price", "country"),
        "price",
        "country",
        "United Kingdom",
    ),
    Dataset(
        "grocery_panel",
        """
        select
            household_id::varchar as user_id,
            transaction_timestamp::timestamp as ts,
            'line' as source,
            row_number() over ()::varchar as event_id,
            store_id as store,
            department,
            product_category as category,
            brand,
            quantity,
            sales_value as sales,
            retail_disc as discount
        from '{data}/grocery_panel/transactions.parquet'
        join '{data}/grocery_panel/products.parquet' using (product_id)
        where household_id % 5 = 0
        """,
        ("store", "department", "category", "brand", "quantity", "sales", "discount"),
        "sales",
        "department",
        "DRUG GM",
    ),
    Dataset(
        "czech_bank",
        """
        select
            account_id::varchar as user_id,
            date::timestamp as ts,
            'transaction' as source,
            trans_id::varchar as event_id,
            type,
            operation,
            amount,
            balance,
            k_symbol,
            bank
        from '{data}/czech_bank/trans_1993_1994q1.parquet'
        """,
        ("type", "operation", "amount", "balance", "k_symbol", "bank"),
        "amount",
        "type",
        "credit",
    ),
)


def shuffled(dataset: Dataset, seed: int) -> tuple[duckdb.DuckDBPyConnection, int, str]:
    """A table `dataset` with its weeks in another order; how many there are, the middle Monday."""
    con = duckdb.connect()
    con.execute("set threads = 1")
    con.execute(f"create table raw as {dataset.rows.format(data=DATA)}")
    con.execute(
        """
        create table weeks as
        select week, row_number() over (order by md5(week::varchar || $seed)) - 1 as place
        from (select distinct date_trunc('week', ts)::date as week from raw)
        """,
        {"seed": str(seed)},
    )
    con.execute(
        """
        create table dataset as
        select raw.* replace (
            ts + to_days((date '2020-01-06' - week + place * 7)::integer) as ts
        )
        from raw
        join weeks on date_trunc('week', raw.ts)::date = weeks.week
        """
    )
    found = con.execute(
        "select count(*), (date '2020-01-06' + (count(*) // 2)::integer * 7)::varchar from weeks"
    ).fetchall()
    return con, int(found[0][0]), str(found[0][1])


def write(
    con: duckdb.DuckDBPyConnection, dataset: Dataset, folder: Path, drifts: Mapping[str, str]
) -> None:
    """Write the contract folder; `drifts` says of columns what they are instead."""
    folder.mkdir(parents=True, exist_ok=True)
    replaced = ", ".join(f"({sql}) as {column}" for column, sql in drifts.items())
    events = f"""
        select
            user_id, ts, source, event_id, {fields_map(dataset.fields)} as fields
        from (select * {f"replace ({replaced})" if replaced else ""} from dataset)
        order by ts, event_id
        """  # noqa: S608 - our own text
    profiles = """
        select user_id, min(ts) as as_of, map {}::map(varchar, varchar) as attributes
        from dataset
        group by user_id
        """
    con.execute(f"copy ({events}) to '{folder}/events.parquet'")
    con.execute(f"copy ({profiles}) to '{folder}/profiles.parquet'")


def fields_map(columns: Sequence[str]) -> str:
    """SQL of a map of these columns as text, without those that are null."""
    pairs = ", ".join(f"""struct_pack(k := '{name}', v := "{name}"::varchar)""" for name in columns)
    return f"map_from_entries(list_filter([{pairs}], lambda p: p.v is not null))"
