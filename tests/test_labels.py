"""The demo's labels read strictly after their moment, and only there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workplace import Workplace

from pragma_sql.warehouse.build import build

RAW = pa.schema(
    {
        "trans_date": pa.date32(),
        "card_suffix": pa.string(),
        "merchant_name": pa.string(),
        "expense_category": pa.string(),
        "cost_centre_desc": pa.string(),
        "vat_desc": pa.string(),
        "original_gross_amt": pa.float64(),
        "original_cur": pa.string(),
        "directorate": pa.string(),
    }
)

# card, day, amount; the moment is 2016-07-01 and its window ends on 2016-09-29
PURCHASES = [
    ("none after", "2016-06-30", 10.0),
    ("at the moment", "2016-06-30", 10.0),
    ("at the moment", "2016-07-01", 9000.0),
    ("next day", "2016-06-30", 10.0),
    ("next day", "2016-07-02", 500.0),
    ("last day", "2016-06-30", 10.0),
    ("last day", "2016-09-29", 400.0),
    ("too late", "2016-06-30", 10.0),
    ("too late", "2016-09-30", 9000.0),
    ("long ago", "2015-12-31", 10.0),
    ("long ago", "2016-07-02", 9000.0),
    ("end of dataset", "2018-01-31", 1.0),
]


def write_raw(path: Path, purchases: list[tuple[str, str, float]]) -> Path:
    rows = [
        {
            "trans_date": date.fromisoformat(day),
            "card_suffix": f"************{1000 + sorted({p[0] for p in PURCHASES}).index(card)}",
            "merchant_name": "a shop",
            "expense_category": "Food",
            "cost_centre_desc": card,
            "vat_desc": "VR",
            "original_gross_amt": amount,
            "original_cur": None,
            "directorate": card,
        }
        for card, day, amount in purchases
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=RAW), path)
    return path


def labels_of(
    place: Workplace, purchases: list[tuple[str, str, float]]
) -> dict[tuple[str, str], float]:
    """Labels at 2016-07-01 by task and card."""
    home = place.home
    place.dataset.mkdir()
    raw = write_raw(place.dataset / "raw.parquet", purchases)
    build(home, {"purchase_cards_path": str(raw)}, select=["+labels"])
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rows = con.execute(
            "select task, lower(substr(user_id, 6)), label from contract.labels"
            " where eval_ts = timestamp '2016-07-01'"
        ).fetchall()
    return {(task, card): label for task, card, label in rows}


@pytest.fixture(scope="module")
def labels(place: Workplace) -> dict[tuple[str, str], float]:
    place.clear()
    return labels_of(place, PURCHASES)


def test_only_cards_used_in_the_180_days_before_are_asked_about(
    labels: dict[tuple[str, str], float],
) -> None:
    cards = {card for _, card in labels}
    assert cards == {"none after", "at the moment", "next day", "last day", "too late"}


@pytest.mark.parametrize(
    ("card", "inactive"),
    [
        ("none after", 1.0),
        ("at the moment", 1.0),
        ("next day", 0.0),
        ("last day", 0.0),
        ("too late", 1.0),
    ],
)
def test_inactive_means_no_purchase_strictly_after_within_90_days(
    card: str, inactive: float, labels: dict[tuple[str, str], float]
) -> None:
    assert labels["inactive_90d", card] == inactive


@pytest.mark.parametrize(
    ("card", "high"),
    [("at the moment", 0.0), ("next day", 1.0), ("last day", 1.0), ("too late", 0.0)],
)
def test_high_spend_counts_only_what_lies_inside_the_window(
    card: str, high: float, labels: dict[tuple[str, str], float]
) -> None:
    assert labels["high_spend_90d", card] == high


def test_what_happened_before_the_moment_moves_no_label(
    workplace: Workplace, labels: dict[tuple[str, str], float]
) -> None:
    betrayal = [
        (card, day, amount + 5000.0 if day < "2016-07-01" else amount)
        for card, day, amount in PURCHASES
    ] + [("next day", "2016-03-01", 70000.0)]
    assert labels_of(workplace, betrayal) == labels
