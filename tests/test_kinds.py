"""Kinds as a colleague would choose them, on keys of real tables, and what a build says of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import datasets
import pytest
from kinds_corpus import Key, corpus, events_of
from rich.console import Console
from workplace import Workplace

from pragma_sql.datasets.dataset import Variables
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.kinds import Kind, advice, kinds_of
from pragma_sql.warehouse.refit import refit

KEYS = corpus()
LEARNT = [key for key in KEYS if not key.held]
HELD = [key for key in KEYS if key.held]


@pytest.fixture(scope="module")
def decided(place: Workplace) -> Mapping[str, Kind]:
    """What the fit takes each key of the corpus for."""
    place.clear()
    place.write(events_of(KEYS), [datasets.Profile("user 1", "2024-01-01")])
    (place.dataset / "labels.parquet").unlink()
    variables = place.variables(fit_until="", fit_users="all", max_categories=1000)
    build(place.home, variables, select=["+fields"])
    return {kind.key: kind for kind in kinds_of(place.home.warehouse)}


def is_right(key: Key, decided: Mapping[str, Kind]) -> bool:
    """The right kind; where either would do, with a doubt."""
    kind = decided[key.name]
    return kind.kind in key.kinds and (len(key.kinds) == 1 or kind.doubt is not None)


def share_right(keys: Sequence[Key], decided: Mapping[str, Kind]) -> float:
    return sum(is_right(key, decided) for key in keys) / len(keys)


def test_the_corpus_is_150_keys_40_of_them_held_out() -> None:
    assert (len(KEYS) >= 150, len(HELD) >= 40) == (True, True)
    assert len({key.name for key in KEYS}) == len(KEYS)
    assert all(len(key.values) >= 70 for key in KEYS)


def test_98_in_100_keys_get_the_kind_that_a_colleague_would_choose(
    decided: Mapping[str, Kind],
) -> None:
    wrong = [(key.table, key.name) for key in LEARNT if not is_right(key, decided)]
    assert share_right(LEARNT, decided) >= 0.98, wrong


def test_a_kind_that_is_wrong_is_called_doubtful(decided: Mapping[str, Kind]) -> None:
    sure = [key for key in LEARNT if decided[key.name].doubt is None]
    assert [key.name for key in sure if decided[key.name].kind not in key.kinds] == []


def test_no_more_than_one_key_in_five_is_doubtful(decided: Mapping[str, Kind]) -> None:
    doubtful = [key.name for key in KEYS if decided[key.name].doubt]
    assert len(doubtful) <= len(KEYS) / 5
    assert all(decided[key].otherwise not in (None, decided[key].kind) for key in doubtful)


def test_keys_that_no_rule_was_made_for_get_their_kind_too(decided: Mapping[str, Kind]) -> None:
    wrong = [key for key in HELD if not is_right(key, decided)]
    assert share_right(HELD, decided) >= 0.97, [key.name for key in wrong]
    assert [key.name for key in wrong if decided[key.name].doubt is None] == []


@pytest.mark.slow
def test_a_first_fit_prints_the_kinds_with_the_doubtful_ones_on_top_and_later_builds_do_not(
    workplace: Workplace,
) -> None:
    events = [
        datasets.Event(
            f"user {n % 7}",
            f"2024-01-{1 + n % 28:02d}",
            {"amount": f"{n}.25", "mcc": ("5411", "4111")[n % 2], "steps": str(n % 5)},
            event_id=str(n),
        )
        for n in range(140)
    ]
    workplace.write(events, [datasets.Profile("user 1", "2024-01-01")])
    (workplace.dataset / "labels.parquet").unlink()
    said = [
        printed(workplace.home, workplace.variables(fit_until="", fit_users="all"), again)
        for again in (False, False, True)
    ]
    assert "kinds:" not in said[1]
    for text in (said[0], said[2]):
        first, *others = [line for line in text.splitlines() if line.startswith("│ ")]
        assert "category?" in first
        assert "steps" in first
        assert "perhaps numeric" in first
        assert any(line.startswith("│ numeric ") and "amount" in line for line in others)
        assert "steps,numeric,,folder" in text.splitlines()


def printed(home: Home, variables: Variables, again: bool) -> str:
    """What a build, or a refit, says to a person."""
    console = io.StringIO()
    progress = Console(file=console, width=200)
    if again:
        refit(home, variables, progress=progress)
    else:
        build(home, variables, select=["+fit"], progress=progress)
    return console.getvalue()


def test_a_line_of_advice_is_csv_whatever_the_key_is_called() -> None:
    key = 'a "step", or\ntwo'
    kinds = [Kind(key, "category", "codes (few): 5", "numeric", "perhaps numeric: little tells")]
    advised = advice(kinds, Path("seeds") / "field_overrides.csv", "")
    assert "--refit" in advised[0]
    assert list(csv.reader(io.StringIO("\n".join(advised[1:])))) == [[key, "numeric", "", ""]]
    assert advice([kinds[0]._replace(otherwise=None, doubt=None)], Path(), "") == []
