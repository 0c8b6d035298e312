"""Hand-made features are those of a slow reference, as of the moment, null apart from zero."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from datasets import Event, Label, Profile
from rich.console import Console
from slow_features import Keys, Value, slow_features
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

MOMENT = "2024-07-01"
SHOP = 'the "shop" isn\'t'


def paid(user: str, *days: str, amount: str | None = "5") -> list[Event]:
    fields = {"amount": amount} if amount is not None else {}
    return [Event(user, day, {**fields, "category": "food", SHOP: 'a "b"'}) for day in days]


BY_HAND: Sequence[Event] = (
    *paid("at the moment", "2024-06-30 23:59:59.999999", "2024-07-01", "2024-07-02"),
    *paid("edge of 7 days", "2024-06-24", amount="-3.5"),
    *paid("past 7 days", "2024-06-23 23:59:59.999999"),
    *paid("edges of 30 days", "2024-06-01", "2024-05-31 23:59", "2024-05-02", "2024-05-01 23:59"),
    *paid("one event", "2024-03-05 13:30", amount="1e3"),
    *paid("zero", "2024-06-01", amount="0"),
    *paid("no amounts", "2024-06-01", "2024-06-02", amount=None),
    *paid("all amounts are words", "2024-06-01", "2024-06-02", amount="words"),
    *paid("one instant", "2024-06-01", amount="1"),
    Event("one instant", "2024-06-01", {"amount": "3"}, event_id="b"),
    Event("one instant", "2024-06-01", {"amount": "2"}, event_id="a"),
    *paid("refunds", "2024-06-01", "2024-06-20", amount="-7"),
    *paid("refunds", "2024-06-11 04:00", "2024-06-12 03:59", amount="7"),
    *paid("grows", "2024-04-01", amount="1"),
    *paid("grows", "2024-05-01", amount="2.1"),
    *paid("grows", "2024-06-30 12:00", amount="3.3"),
    *paid("no events yet", "2024-08-01"),
    Event("an unknown value", "2024-06-01", {"category": "never seen", "amount": "9"}),
)
USERS = sorted({event.user_id or "" for event in BY_HAND})
KNOWN: Sequence[Profile] = (
    Profile("one event", "2024-01-01", {"region": "south", "age": "30"}),
    Profile("one event", MOMENT, {"region": "elsewhere", "age": "31"}),
    Profile("one event", "2024-07-01 00:00:01", {"region": "north", "age": "99"}),
    Profile("zero", "2024-01-01", {"age": "old"}),
    Profile("no events yet", "2024-01-01", {"region": "north"}),
    Profile("refunds", "2024-07-02", {"region": "north"}),
)
FIT = {"numeric_share": 0.9}  # a few amounts are words

EVERY_EVENT = (*EVENTS, *BY_HAND)
TWICE = BY_HAND[-5:]
ALL_EVENTS = (*EVERY_EVENT, *TWICE)
ALL_PROFILES = (*PROFILES, *KNOWN)
ALL_LABELS = (*LABELS, *(Label("late", user, MOMENT, 1.0) for user in USERS))

Rows = dict[tuple[str, datetime], dict[str, Value]]


def rows_of(home: Home) -> Rows:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        found = con.execute("from views.user_features").to_arrow_table().to_pylist()
    return {(row.pop("user_id"), row.pop("eval_ts")): row for row in found}


def keys_of(home: Home) -> Keys:
    """What the fit says, read off it by hand."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        kinds = dict(con.execute("select key, kind from fit.fields").fetchall())
        rows = con.execute(
            "select key, value from fit.categories where rank <= 32 order by key, rank"
        ).fetchall()
    top = {key: [value for name, value in rows if name == key] for key in kinds}
    of_events = ("amount", "shop", "category", "mcc", SHOP, "source")
    coded = [key for key in ("amount", "mcc") if kinds[key] in ("numeric", "category")]
    assert [kinds[key] for key in ("amount", "category", "age", "region")] == [
        "numeric",
        "category",
        "numeric",
        "category",
    ]
    return Keys(
        numbers=coded,
        words={key: top[key] for key in of_events if kinds[key] != "numeric"},
        attributes={key: top[key] for key in ("age", "region")},
    )


@pytest.fixture(scope="module")
def first(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the toy dataset and of the users above."""
    place.clear()
    place.write(ALL_EVENTS, ALL_PROFILES, ALL_LABELS)
    place.build("+user_features", **FIT)
    return place.keep(tmp_path_factory.mktemp("features") / "first")


@pytest.fixture(scope="module")
def built(first: Path) -> tuple[Rows, Keys]:
    """Its features, and the fit's keys."""
    home = Home.of(first)
    return rows_of(home), keys_of(home)


def same(value: Value, expected: Value) -> bool:
    if isinstance(value, float) and isinstance(expected, float | int):
        return value == pytest.approx(expected, rel=1e-9, abs=1e-6)
    return value == expected


def of(built: tuple[Rows, Keys], user: str) -> dict[str, Value]:
    return built[0][user, datetime.fromisoformat(MOMENT)]


def test_every_feature_is_that_of_the_slow_reference(built: tuple[Rows, Keys]) -> None:
    rows, keys = built
    assert len(rows) == len(ALL_LABELS)
    for (user, moment), found in rows.items():
        expected = slow_features(
            [event for event in EVERY_EVENT if event.user_id == user],
            [profile for profile in ALL_PROFILES if profile.user_id == user],
            moment,
            keys,
        )
        expected = {name.replace('"', "'"): value for name, value in expected.items()}
        assert set(found) == set(expected)
        differ = {
            name: (value, expected[name])
            for name, value in found.items()
            if not same(value, expected[name])
        }
        assert not differ, (user, moment)


def test_what_happens_at_the_moment_is_not_before_it(built: tuple[Rows, Keys]) -> None:
    found = of(built, "at the moment")
    assert (found["events"], found["sum amount"]) == (1, 5)


@pytest.mark.parametrize(("user", "inside"), [("edge of 7 days", 1), ("past 7 days", 0)])
def test_a_window_begins_with_its_first_instant(
    user: str, inside: int, built: tuple[Rows, Keys]
) -> None:
    assert of(built, user)["events_7d"] == inside
    assert of(built, user)["events"] == 1


def test_a_window_and_the_one_before_it_meet_without_overlap(built: tuple[Rows, Keys]) -> None:
    found = of(built, "edges of 30 days")
    assert (found["events_30d"], found["ratio_events_30d"]) == (1, 0.5)


def test_null_is_kept_apart_from_zero(built: tuple[Rows, Keys]) -> None:
    zero, none = of(built, "zero"), of(built, "no amounts")
    assert (zero["count amount"], zero["sum amount"], zero["last amount"]) == (1, 0, 0)
    assert (none["count amount"], none["sum amount"], none["last amount"]) == (0, None, None)
    assert of(built, "no events yet")["events"] == 0
    assert of(built, "no events yet")["days_since_last"] is None


def test_of_events_at_one_instant_the_last_goes_by_its_id(built: tuple[Rows, Keys]) -> None:
    found = of(built, "one instant")
    assert (found["last amount"], found["events"], found["slope amount"]) == (3, 3, None)


def test_attributes_are_those_of_the_newest_snapshot_not_later(built: tuple[Rows, Keys]) -> None:
    found = of(built, "one event")
    assert (found["attribute age"], found["attribute region"]) == (31, "(other)")
    assert of(built, "refunds")["attribute region"] is None


def test_nothing_from_the_moment_on_moves_a_feature(
    built: tuple[Rows, Keys], workplace: Workplace
) -> None:
    planted = [
        *(Event(user, MOMENT, {"amount": "1e9", "category": "rent"}) for user in USERS),
        *(Event(user, "2024-07-05", {"amount": "-1e9", "shop": "new"}) for user in USERS),
    ]
    later = [Profile(user, "2024-07-01 00:00:00.000001", {"age": "5"}) for user in USERS]
    workplace.write([*ALL_EVENTS, *planted], [*ALL_PROFILES, *later], ALL_LABELS)
    found = rows_of(workplace.build("+user_features", **FIT))
    now = datetime.fromisoformat(MOMENT)
    assert {user: found[user, now] for user in USERS} == {u: of(built, u) for u in USERS}


@pytest.mark.slow
def test_the_order_of_rows_has_no_say(built: tuple[Rows, Keys], workplace: Workplace) -> None:
    shuffled = random.Random(3).sample([*ALL_EVENTS], len(ALL_EVENTS))
    workplace.write(shuffled, ALL_PROFILES[::-1], ALL_LABELS[::-1])
    assert rows_of(workplace.build("+user_features", **FIT)) == built[0]


def test_the_number_of_columns_is_bounded_and_what_is_left_out_is_said(
    workplace: Workplace, first: Path, built: tuple[Rows, Keys]
) -> None:
    said = StringIO()
    workplace.restore(first)
    workplace.write(ALL_EVENTS, ALL_PROFILES, ALL_LABELS)
    variables = workplace.variables(feature_columns_max=40, **FIT)
    build(workplace.home, variables, select=["user_features"], progress=Console(file=said))
    found = rows_of(workplace.home)["zero", datetime.fromisoformat(MOMENT)]
    columns = list(of(built, "zero"))
    assert list(found) == columns[:40]
    assert f"views.user_features: 40 of {len(columns)} columns" in said.getvalue()
    assert "counts of values" in said.getvalue()


def test_names_of_columns_are_short_and_differ_in_more_than_case(workplace: Workplace) -> None:
    long = {"CATEGORY": "é" * 99, "category": "é" * 98}
    twins = [replace(event, fields={**(event.fields or {}), **long}) for event in ALL_EVENTS]
    workplace.write(twins, ALL_PROFILES, ALL_LABELS)
    columns = rows_of(workplace.build("+user_features", **FIT))["zero", datetime(2024, 7, 1)]
    assert len({name.lower() for name in columns}) == len(columns)
    assert max(len(name.encode()) for name in columns) <= 63
    assert {"last value CATEGORY", "last value category (2)"} <= set(columns)
