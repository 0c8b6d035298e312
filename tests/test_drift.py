"""tokens.token_drift says how a day differs from the fit, and the build says when to refit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path

import duckdb
import pytest
from books import Event
from rich.console import Console
from workplace import EVENTS as FIT
from workplace import Workplace

from pragma_sql.build import build
from pragma_sql.errors import PragmaError

WHOLE: dict[str, object] = {"fit_until": "2025-01-01", "fit_users": "all"}
FEW: dict[str, object] = {
    **WHOLE,
    "drift_min_values": 10,
    "drift_error": {"psi": 1e9, "unk_share": 2, "unseen_keys": False},
}


def day(fields: dict[str, str | None], *, source: str = "card", count: int = 40) -> list[Event]:
    """So many equal events, a minute apart, on the first day after the fit."""
    return [
        Event("user 01", f"2025-01-01 {n // 60:02d}:{n % 60:02d}", fields, source, f"later {n}")
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def fitted(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of all that the fit sees."""
    place.clear()
    place.write(FIT)
    place.build("+token_drift", **FEW)
    return place.keep(tmp_path_factory.mktemp("drift") / "fitted")


@dataclass(frozen=True)
class Later:
    """The day after the fit."""

    workplace: Workplace

    def drift(
        self, events: list[Event], variables: Mapping[str, object] = FEW
    ) -> tuple[dict[str, tuple[object, ...]], str]:
        """The day's drift by key, and what the build said."""
        said = io.StringIO()
        self.workplace.write([*FIT, *events])
        build(
            self.workplace.home,
            self.workplace.variables(**variables),
            select=["+token_drift"],
            progress=Console(file=said, width=200),
        )
        rows = self.query(
            "select key, n, is_unseen, unk_share, psi from tokens.token_drift order by key"
        )
        return {str(key): tuple(rest) for key, *rest in rows}, said.getvalue()

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.workplace.home.warehouse), read_only=True) as con:
            return con.execute(sql).fetchall()


@pytest.fixture
def later(workplace: Workplace, fitted: Path) -> Later:
    workplace.restore(fitted)
    return Later(workplace)


def test_a_key_that_turned_from_numbers_to_words_is_all_unknown(later: Later) -> None:
    drift, said = later.drift(day({"amount": "a lot", "mcc": "5411", "category": "yachts"}))
    assert drift["amount"][:3] == (40, False, 1.0)
    assert drift["category"][:3] == (40, False, 1.0)
    assert drift["mcc"][:3] == (40, False, 0.0)
    assert drift["source"][:3] == (40, False, 0.0)
    assert "pragma build --refit" in said


def test_the_index_is_the_sum_over_tokens_of_shares_and_their_logarithms(later: Later) -> None:
    drift, _ = later.drift(day({"mcc": "5411"}))
    shares = later.query(
        "select share, v.value = '5411' from fit.token_shares s"
        " join fit.vocabulary v using (token_id) where source = 'card' and s.key = 'mcc'"
    )
    expected = sum(
        ((p := 1.0 if is_it else 1e-4) - float(str(share))) * log(p / float(str(share)))
        for share, is_it in shares
    )
    assert drift["mcc"][3] == pytest.approx(expected)


def test_a_key_that_the_fit_never_saw_is_named(later: Later) -> None:
    drift, said = later.drift(day({"colour": "red", "mcc": "5411"}))
    assert drift["colour"] == (40, True, None, None)
    assert "token_drift" in said


def test_too_few_values_a_day_say_nothing(later: Later) -> None:
    drift, said = later.drift(day({"amount": "a lot"}, count=9))
    assert drift["amount"][:3] == (9, False, 1.0)
    assert "refit" not in said


def test_beyond_the_error_threshold_the_build_fails_with_its_tables_in_place(
    later: Later,
) -> None:
    with pytest.raises(PragmaError, match=r"no longer knows.*: 1 row\n.*pragma build --refit"):
        later.drift(day({"amount": "a lot"}), {**WHOLE, "drift_min_values": 40})
    count = later.query("select count(*) from tokens.event_tokens")
    assert count == [(len(FIT) + 40,)]
