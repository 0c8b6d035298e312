"""tokens.token_drift says how a day differs from the fit, and the build says when to refit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import books
import duckdb
import pytest
from books import Event
from rich.console import Console

from pragma_sql.book import book_of
from pragma_sql.build import build
from pragma_sql.errors import PragmaError
from pragma_sql.home import Home

FIT = books.toy_events()
VARIABLES = {**books.TOY_VARS, "fit_until": "2025-01-01", "fit_users": "all"}
FEW = {
    **VARIABLES,
    "drift_min_values": 10,
    "drift_error": {"psi": 1e9, "unk_share": 2, "unseen_keys": False},
}


def day(fields: dict[str, str | None], *, source: str = "card", count: int = 40) -> list[Event]:
    """So many equal events, a minute apart, on the first day after the fit."""
    return [
        Event("user 01", f"2025-01-01 {n // 60:02d}:{n % 60:02d}", fields, source, f"later {n}")
        for n in range(count)
    ]


def drift_of(
    home: Home, folder: Path, events: list[Event], variables: Mapping[str, object]
) -> tuple[dict[str, tuple[object, ...]], str]:
    """The drift by key of the day after the fit, and what the build said."""
    said = io.StringIO()
    for written in (FIT, [*FIT, *events]):
        book = books.write_book(folder, written, books.toy_profiles(), books.toy_labels())
        progress = Console(file=said, width=200)
        build(
            home,
            {**book_of(book, []), **variables},
            select=["+token_drift"],
            progress=progress,
        )
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rows = con.execute(
            "select key, n, is_unseen, unk_share, psi from tokens.token_drift order by key"
        ).fetchall()
    return {str(key): tuple(rest) for key, *rest in rows}, said.getvalue()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of(tmp_path / "home")


def test_a_key_that_turned_from_numbers_to_words_is_all_unknown(home: Home, tmp_path: Path) -> None:
    events = day({"amount": "a lot", "mcc": "5411", "category": "yachts"})
    drift, said = drift_of(home, tmp_path / "book", events, FEW)
    assert drift["amount"][:3] == (40, False, 1.0)
    assert drift["category"][:3] == (40, False, 1.0)
    assert drift["mcc"][:3] == (40, False, 0.0)
    assert drift["source"][:3] == (40, False, 0.0)
    assert "pragma build --refit" in said


def test_the_index_is_the_sum_over_tokens_of_shares_and_their_logarithms(
    home: Home, tmp_path: Path
) -> None:
    drift, _ = drift_of(home, tmp_path / "book", day({"mcc": "5411"}), FEW)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        shares = con.execute(
            "select share, v.value = '5411' from fit.token_shares s"
            " join fit.vocabulary v using (token_id) where source = 'card' and s.key = 'mcc'"
        ).fetchall()
    from math import log

    expected = sum(
        ((p := 1.0 if is_it else 1e-4) - share) * log(p / share) for share, is_it in shares
    )
    assert drift["mcc"][3] == pytest.approx(expected)


def test_a_key_that_the_fit_never_saw_is_named(home: Home, tmp_path: Path) -> None:
    drift, said = drift_of(home, tmp_path / "book", day({"colour": "red", "mcc": "5411"}), FEW)
    assert drift["colour"] == (40, True, None, None)
    assert "token_drift" in said


def test_too_few_values_a_day_say_nothing(home: Home, tmp_path: Path) -> None:
    events = day({"amount": "a lot"}, count=9)
    drift, said = drift_of(home, tmp_path / "book", events, FEW)
    assert drift["amount"][:3] == (9, False, 1.0)
    assert "refit" not in said


def test_beyond_the_error_threshold_the_build_fails_with_its_tables_in_place(
    home: Home, tmp_path: Path
) -> None:
    events = day({"amount": "a lot"}, count=40)
    with pytest.raises(PragmaError, match=r"no longer knows.*: 1 row\n.*pragma build --refit"):
        drift_of(home, tmp_path / "book", events, {**VARIABLES, "drift_min_values": 40})
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        count = con.execute("select count(*) from tokens.event_tokens").fetchall()
    assert count == [(len(FIT) + 40,)]
