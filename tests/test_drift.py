"""The build says in one line a key what is not as in the fit, and nothing of what is."""

from __future__ import annotations

import io
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
import slow_drift
from datasets import Event, Profile
from rich.console import Console
from workplace import Workplace

from pragma_sql.formats.errors import PragmaError
from pragma_sql.warehouse.build import build

FIRST = date(2024, 1, 1)
"""A Monday."""
FIT_WEEKS = 30
FIT_UNTIL = FIRST + timedelta(weeks=FIT_WEEKS)
CALM_WEEKS = 2
THURSDAY = FIT_UNTIL + timedelta(weeks=CALM_WEEKS, days=3)
SETTINGS: dict[str, object] = {
    "fit_until": str(FIT_UNTIL),
    "fit_users": "all",
    "bins": 64,
    "max_categories": 50,
}
SHOPS = ("bakery", "fuel", "grocer", "rent", "toys")


def week(number: int, count: int = 100) -> list[Event]:
    """So many events of one week, like those of every other: amounts, prices, and shops."""
    chance = random.Random(number)
    return [
        Event(
            f"user {chance.randrange(40):02d}",
            f"{FIRST + timedelta(weeks=number, days=n % 7)} 12:{n % 60:02d}",
            {
                "amount": f"{chance.lognormvariate(3, 1):.2f}",
                "price": f"{chance.lognormvariate(3, 0.3):.2f}",
                "shop": chance.choices(SHOPS, (30, 25, 20, 15, 10))[0],
            },
            event_id=f"{number}-{n}",
        )
        for n in range(count)
    ]


FIT = [event for number in range(FIT_WEEKS) for event in week(number)]
CALM = [event for n in range(CALM_WEEKS) for event in week(FIT_WEEKS + n)]
LAST = week(FIT_WEEKS + CALM_WEEKS)
"""Of this week something changes, from Thursday on."""
WHOLE = [event for n in range(2) for event in week(FIT_WEEKS + CALM_WEEKS + n)]
PROFILES = [Profile(f"user {n:02d}", str(FIRST), {"region": "north"}) for n in range(40)]


def changed(event: Event, fields: dict[str, str | None], source: str = "card") -> Event:
    """The event with other fields, from Thursday on."""
    late = event.ts is not None and event.ts.date() >= THURSDAY
    known = dict(event.fields or {})
    return replace(event, fields={**known, **fields}, source=source) if late else event


def times(event: Event, key: str, factor: float) -> dict[str, str | None]:
    """A key of the event as another currency, or unit, would have it."""
    return {key: f"{float((event.fields or {})[key] or 0) * factor:.2f}"}


def renamed(event: Event) -> dict[str, str | None]:
    """Another spelling of one shop."""
    shop = (event.fields or {})["shop"]
    return {"shop": "FUEL" if shop == "fuel" else shop}


SPOKEN = ("drift:", "warning:", "next:")


@dataclass(frozen=True)
class Later:
    """What is built after the fit."""

    workplace: Workplace

    def said(
        self,
        events: Sequence[Event],
        profiles: Sequence[Profile] = PROFILES,
        **variables: object,
    ) -> list[str]:
        """Build; the lines about drift, and the step after them."""
        lines = self.progress(events, profiles, **variables)
        return [line for line in lines if line.startswith(SPOKEN)]

    def progress(
        self,
        events: Sequence[Event],
        profiles: Sequence[Profile] = PROFILES,
        **variables: object,
    ) -> list[str]:
        """Build; all lines that are said meanwhile."""
        console = io.StringIO()
        self.workplace.write(events, profiles, [])
        build(
            self.workplace.home,
            self.workplace.variables(**{**SETTINGS, **variables}),
            select=["+drift_lines", "token_drift"],
            progress=Console(file=console, width=200),
        )
        return console.getvalue().splitlines()

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.workplace.home.warehouse), read_only=True) as con:
            return con.execute(sql).fetchall()


@pytest.fixture(scope="module")
def calm(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A build of the fit, then one of two more weeks like it; and what that one said."""
    place.clear()
    later = Later(place)
    later.progress(FIT)
    said = later.progress([*FIT, *CALM])
    return place.keep(tmp_path_factory.mktemp("drift") / "calm"), said


@pytest.fixture
def later(workplace: Workplace, calm: tuple[Path, list[str]]) -> Later:
    workplace.restore(calm[0])
    return Later(workplace)


def test_weeks_like_those_of_the_fit_are_passed_over_in_silence(
    calm: tuple[Path, list[str]],
) -> None:
    assert not [line for line in calm[1] if line.startswith(SPOKEN)]


def test_progress_names_what_is_made_and_not_what_is_part_of_another_model(
    calm: tuple[Path, list[str]],
) -> None:
    words = [line.split() for line in calm[1]]
    made = {word[1] for word in words if word[:1] == ["success"]}
    assert {"usual_weeks", "drift_lines"} <= made
    assert made.isdisjoint({"fit_weeks", "drift_runs", "delivery_drift"})


def test_each_drift_is_said_in_the_week_in_which_it_begins_the_worst_first(later: Later) -> None:
    drifted = [
        changed(e, {**times(e, "amount", 100), **times(e, "price", 25), **renamed(e)}) for e in LAST
    ]
    said = later.said([*FIT, *CALM, *drifted])
    lines = [line for line in said if line.startswith("drift:")]
    assert [line.split(" (card)")[0] for line in lines] == [
        "drift: price",
        "drift: amount",
        "drift: shop",
    ]
    assert "of the values moved up since 2024-08-12, " in lines[0]
    assert "of the values moved up since 2024-08-12, " in lines[1]
    assert lines[2] == (
        "drift: shop (card): 17% unknown since 2024-08-12, 17% in the first week; in the fit 0.0%; "
        "4.3% of all values"
    )
    assert said[-2].startswith("warning: the data drift from what the tokenizer was fitted on")
    assert "`pragma build --refit --until latest`" in said[-1]


@pytest.mark.parametrize(
    ("factor", "said_of"),
    [(1.2, "times 1.2"), pytest.param(1 / 1.2, "divided by 1.2", marks=pytest.mark.slow)],
)
def test_prices_a_fifth_higher_or_lower_are_heard_though_they_stay_among_the_others(
    factor: float, said_of: str, later: Later
) -> None:
    raised = [changed(e, times(e, "price", factor)) for e in WHOLE]
    said = later.said([*FIT, *CALM, *raised])
    (line,) = [line for line in said if line.startswith("drift: price (card)")]
    assert f"of the values look as the fit's {said_of} since 2024-08-" in line


def test_sources_and_keys_that_the_fit_never_saw_are_said_however_few(later: Later) -> None:
    event = LAST[-1]
    wire = replace(event, source="wire", event_id="wire")
    # Also where they lie before the fit's end: nothing of the kind was there when it was made.
    old = replace(FIT[0], fields={"colour": "red"}, event_id="old")
    customer = replace(PROFILES[0], attributes={"region": "north", "plan": "free"})
    said = later.said([*FIT, *CALM, *LAST, wire, old], [customer, *PROFILES[1:]])
    assert [line for line in said if line.startswith("drift:")] == [
        f"drift: the fit never saw the source wire: 1 events since {event.day[:10]}",  # type: ignore[index]
        "drift: the fit never saw colour (card): 1 values since 2024-01-01, for example red",
        "drift: the fit never saw a key of 1 profiles, for example user_id user 00, "
        "as_of 2024-01-01 00:00:00, unknown [plan]",
    ]


def test_far_beyond_the_limits_the_build_fails_with_its_tables_in_place(later: Later) -> None:
    words = [changed(e, {"amount": "a lot"}) for e in LAST]
    with pytest.raises(PragmaError, match=r"no longer knows.*: 1 row\n.*--refit --until latest"):
        later.said(
            [*FIT, *CALM, *words],
            drift_error={"unknown": 0.3, "moved": 1, "times": 3, "of_all": 0.02},
        )
    count = later.query("select count(*) from tokens.event_tokens")
    assert count == [(len(FIT) + len(CALM) + len(words),)]


@pytest.mark.slow
def test_a_day_is_counted_as_its_tokens_are_after_late_events(later: Later) -> None:
    late = [replace(FIT[0], event_id="late"), replace(CALM[0], event_id="late as well")]
    later.said([*FIT, *CALM, *late])
    brought = later.query("select day from tokens.recounted_days order by day")
    assert brought == [(FIRST,), (FIT_UNTIL,)]
    counted = later.query("select sum(n) from tokens.token_counts where not is_unseen")
    assert counted == later.query(
        "select sum(len(list_filter(positions, lambda p: p = 0))) from tokens.event_tokens"
    )
    later.said([*FIT, *CALM, *late])
    assert later.query("select count(*) from tokens.recounted_days") == [(0,)]


def test_weeks_are_as_plain_python_finds_them(later: Later) -> None:
    drifted = [changed(e, {**times(e, "amount", 2), **renamed(e)}) for e in LAST]
    later.said([*FIT, *CALM, *drifted])
    weeks: dict[tuple[str, date], slow_drift.Week] = defaultdict(Counter)
    for ts, key, token in later.query(
        "select ts, f.key, t.token from (select ts, unnest(key_ids) as key_id,"
        " unnest(value_ids) as token from tokens.event_tokens) as t join fit.field_tokens as f"
        " using (key_id)"
    ):
        weeks[str(key), slow_drift.monday(ts.date())][int(str(token))] += 1  # type: ignore[attr-defined]
    for key, numeric in (("amount", True), ("price", True), ("shop", False)):
        shares = later.query(f"select token_id, share from fit.token_shares where key = '{key}'")
        tokens = later.query(
            f"select token_id from fit.vocabulary where key = '{key}' and kind <> 'key'"
        )
        groups = slow_drift.groups_of(
            [int(str(token)) for (token,) in tokens],
            {int(str(token)): float(str(share)) for token, share in shares},
            numeric=numeric,
        )
        edges = later.query(
            "select t.first_id + b.bin, b.lower_edge, b.upper_edge from fit.numeric_bins as b"
            f" join fit.field_tokens as t using (key) where key = '{key}' and bin > 0"
        )
        ways = [
            slow_drift.gains(
                {int(str(token)): float(str(share)) for token, share in shares},
                edges,  # type: ignore[arg-type]
                groups,
                factor,
            )
            for factor in ((1.2, 1 / 1.2) if numeric else ())
        ]
        of_key = {day: week for (name, day), week in weeks.items() if name == key}
        after = sorted(day for day in of_key if day >= FIT_UNTIL)
        expected = slow_drift.drift(
            [week for day, week in of_key.items() if day < FIT_UNTIL],
            [of_key[day] for day in after],
            groups,
            ways,
            numeric=numeric,
        )
        found = later.query(
            "select week, unk_growth, unk_growth_times, moved, moved_times, rescaled,"
            f" rescaled_times from tokens.weekly_drift where key = '{key}' order by week"
        )
        assert [row[0] for row in found] == after
        assert any(row[-1] is not None for row in found) == (key == "price")
        for row, reference in zip(found, expected, strict=True):
            for value, plain in zip(row[1:], astuple(reference), strict=True):
                assert value == (plain and pytest.approx(plain, rel=1e-4, abs=1e-6))
