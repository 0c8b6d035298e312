"""Four real datasets as a bank might hand them out, each in about ten lines.

To add a fifth, append a `Dataset`: three queries that run in the folder of its data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pragma_sql.formats.paths import DATA

SHARED = DATA.parent / "shared" / "data"

SILENT = """
    select customer, moment as asked, (count(*) filter (where booked > moment) = 0)::int as label
    from events, (select unnest([{}]) as moment) where booked < moment + interval 90 day
    group by all having min(booked) < moment
"""
"""Is there no event in the 90 days after these moments?"""


@dataclass(frozen=True)
class Dataset:
    """How the real tables become a delivery of csv files."""

    name: str
    folder: Path
    """Where the real tables lie; the trial is skipped without it."""
    events: str
    """SQL -> customer, booked, the fields and, if events have ids, id."""
    profiles: str
    """SQL -> customer, as_of and the attributes."""
    labels: str
    """SQL, also over the table `events` -> customer, asked and label (0 or 1)."""
    fit_until: str
    number: str
    """The field in which figures are corrected."""
    added: str
    """The field that the mapping leaves out at first."""


DATASETS = (
    Dataset(
        name="credit_default",
        folder=DATA / "examples" / "credit_default",
        events="""select ID as customer, last_day((month || '-01')::date) as booked, pay_status,
            bill_amt, pay_amt from 'monthly_events.parquet' where ID % 20 = 0""",
        profiles="""select ID as customer, date '2005-03-31' as as_of, LIMIT_BAL as credit_limit,
            SEX as sex, EDUCATION as education, AGE as age from 'clients.parquet'
            where ID % 20 = 0""",
        labels="""select ID as customer, date '2005-10-01' as asked,
            "default.payment.next.month" as label from 'clients.parquet' where ID % 20 = 0""",
        fit_until="2005-09-01",
        number="bill_amt",
        added="pay_amt",
    ),
    Dataset(
        name="purchase_cards",
        folder=DATA / "examples" / "purchase_cards",
        events="""select row_number() over () as id, card_suffix[-4:] || ' ' || directorate
            as customer, trans_date as booked, merchant_name as merchant,
            expense_category as category, original_gross_amt as amount
            from 'transactions.parquet' where hash(card_suffix) % 4 = 0 and customer <> ''""",
        profiles="""select distinct on (customer) card_suffix[-4:] || ' ' || directorate
            as customer, date '2014-01-01' as as_of, directorate from 'transactions.parquet'
            where hash(card_suffix) % 4 = 0 and customer <> '' order by customer""",
        labels=SILENT.format("date '2016-07-01', date '2017-01-01'"),
        fit_until="2016-07-01",
        number="amount",
        added="category",
    ),
    Dataset(
        name="online_retail",
        folder=SHARED / "online_retail",
        events="""select row_number() over () as id, customer_id as customer,
            invoice_date as booked, stock_code, quantity, unit_price, description
            from 'year_2009_2010.parquet' where customer_id % 8 = 0""",
        profiles="""select customer_id as customer, min(invoice_date) as as_of,
            min(country) as country from 'year_2009_2010.parquet' where customer_id % 8 = 0
            group by customer_id""",
        labels=SILENT.format("date '2010-06-01', date '2010-09-01'"),
        fit_until="2010-06-01",
        number="unit_price",
        added="quantity",
    ),
    Dataset(
        name="oulad",
        folder=SHARED / "oulad",
        events="""select row_number() over () as id, user_id as customer, ts as booked, site,
            activity_type, sum_click from 'events.parquet' where hash(user_id) % 12 = 0""",
        profiles="""select user_id as customer, min(ts) as as_of, user_id[:3] as module
            from 'events.parquet' where hash(user_id) % 12 = 0 group by user_id""",
        labels="""select user_id as customer, eval_ts as asked, fail_or_withdraw as label
            from 'labels.parquet' where hash(user_id) % 12 = 0""",
        fit_until="2014-02-01",
        number="sum_click",
        added="activity_type",
    ),
)
