"""A later build tokenises what arrived, once, and ends with the tables of a single build."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import datasets
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Event, Profile
from workplace import EVENTS, PROFILES, Workplace

from pragma_sql.formats.paths import Home

Row = tuple[object, ...]


def made(
    workplace: Workplace, events: Sequence[Event], profiles: Sequence[Profile] = PROFILES
) -> Home:
    """One build from this state of the source."""
    workplace.write(events, profiles)
    return workplace.build("+user_tokens")


def tokens(home: Home) -> dict[str, list[Row]]:
    """What later stages read, in one order."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return {
            name: con.execute(f"select * from tokens.{name} order by all").fetchall()
            for name in ("event_tokens", "profile_tokens", "user_tokens")
        }


def arrived(home: Home) -> int:
    """How many events the last build took for new."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return int(con.execute("select count(*) from tokens.new_events").fetchall()[0][0])


LATE = Event("user 03", "2024-02-02", {"amount": "7.5", "mcc": "5411"}, event_id="late")
WITHOUT_ID = Event("user 05", "2024-02-02", {"amount": "8.5", "mcc": "5411"})
EVERYTHING = [*EVENTS, LATE, WITHOUT_ID]


@pytest.fixture(scope="module")
def first(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first build; its fit sees none of what comes late."""
    place.clear()
    made(place, EVENTS)
    return place.keep(tmp_path_factory.mktemp("arrivals") / "first")


@pytest.fixture(scope="module")
def late(first: Path, place: Workplace) -> Path:
    """A second build, to which two events came late."""
    place.restore(first)
    made(place, EVERYTHING)
    return place.keep(first.parent / "late")


@pytest.fixture(scope="module")
def whole(first: Path, place: Workplace) -> dict[str, list[Row]]:
    """The tokens of one build that finds everything there."""
    home = place.restore(first)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("update tokens.event_tokens set tokenizer = 'another'")
    return tokens(made(place, EVERYTHING))


def test_a_second_build_of_the_same_source_takes_nothing_for_new(
    workplace: Workplace, first: Path
) -> None:
    before = tokens(workplace.restore(first))
    assert tokens(made(workplace, EVENTS)) == before
    assert arrived(workplace.home) == 0


def test_a_user_whose_events_came_with_an_earlier_build_is_no_stranger(
    workplace: Workplace, first: Path
) -> None:
    home = workplace.restore(first)
    newcomer = Event("somebody new", "2024-02-02", {"amount": "7.5"}, event_id="first")
    made(workplace, [*EVENTS, newcomer], [*PROFILES, Profile("nobody", "2024-01-01", {})])
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        strangers = con.execute(
            "select rows, example from contract.checks where rule = 'profiles_without_events'"
        ).fetchall()
        kept = con.execute("select user_id from tokens._histories order by all").fetchall()
        users = con.execute("select distinct user_id from tokens.event_tokens order by all")
        assert kept == users.fetchall()
    assert strangers == [(1, "user_id nobody, as_of 2024-01-01 00:00:00")]


def test_building_one_table_alone_doubles_nothing(workplace: Workplace, late: Path) -> None:
    before = tokens(workplace.restore(late))
    workplace.write(EVERYTHING)
    assert tokens(workplace.build("event_tokens")) == before


def test_tokens_of_another_tokenizer_are_made_anew(workplace: Workplace, late: Path) -> None:
    home = workplace.restore(late)
    before = tokens(home)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("update tokens.event_tokens set tokenizer = 'another', value_ids = [0]")
    assert tokens(made(workplace, EVERYTHING)) == before


def test_an_event_older_than_the_last_build_is_not_lost(
    workplace: Workplace, late: Path, whole: dict[str, list[Row]]
) -> None:
    home = workplace.restore(late)
    assert tokens(home) == whole
    assert arrived(home) == 2


def test_an_event_that_is_delivered_again_is_not_doubled(
    workplace: Workplace, late: Path, whole: dict[str, list[Row]]
) -> None:
    workplace.restore(late)
    made(workplace, [*EVERYTHING, LATE, WITHOUT_ID])
    assert tokens(workplace.home) == whole


@pytest.mark.slow
def test_equal_events_within_one_delivery_count_once(
    workplace: Workplace, first: Path, whole: dict[str, list[Row]]
) -> None:
    workplace.restore(first)
    assert tokens(made(workplace, [*EVERYTHING, LATE, WITHOUT_ID])) == whole


def test_events_of_one_moment_without_ids_are_told_apart_by_content(
    workplace: Workplace, late: Path
) -> None:
    other = Event("user 05", "2024-02-02", {"amount": "9.5", "mcc": "5411"})
    workplace.restore(late)
    made(workplace, [*EVERYTHING, other])
    assert len(tokens(workplace.home)["event_tokens"]) == len(EVERYTHING) + 1


@pytest.mark.slow
def test_deliveries_in_any_order_end_like_one(
    workplace: Workplace, first: Path, whole: dict[str, list[Row]]
) -> None:
    home = workplace.restore(first)  # the fit sees the same rows
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("delete from tokens.event_tokens; delete from tokens._ingested")
    workplace.write(EVERYTHING[::3])
    parts = workplace.dataset / "events"
    parts.mkdir()
    (workplace.dataset / "events.parquet").rename(parts / "0.parquet")
    for part in (1, 2):
        table = pa.Table.from_pylist(
            [event.row() for event in [*EVERYTHING[part::3], *EVERYTHING[: 20 * part]]],
            schema=datasets.EVENTS,
        )
        workplace.build("+user_tokens")
        pq.write_table(table, parts / f"{part}.parquet")
    assert tokens(workplace.build("+user_tokens")) == whole


def test_profiles_are_those_that_the_source_tells_of(workplace: Workplace, first: Path) -> None:
    before = tokens(workplace.restore(first))["profile_tokens"]
    moved = Profile("user 00", "2024-09-01", {"region": "south"}, {"first_login": "2024-01-01"})
    after = tokens(made(workplace, EVENTS, [*PROFILES, moved]))["profile_tokens"]
    new = set(map(str, after)) - set(map(str, before))
    assert set(map(str, before)) <= set(map(str, after))
    assert len(new) == 1, "the region of the new snapshot; its milestone was known"
    assert tokens(made(workplace, EVENTS))["profile_tokens"] == before


def test_an_event_without_a_moment_is_checked_before_the_tokens_change(
    workplace: Workplace, first: Path
) -> None:
    before = tokens(workplace.restore(first))
    broken = Event("user 01", None, {"amount": "1"}, event_id="no moment")
    with pytest.raises(Exception, match=r"ts: 1 of \d+ rows are null"):
        made(workplace, [*EVENTS, broken])
    assert tokens(workplace.home) == before


def test_a_later_build_reads_the_partitions_that_changed_alone(
    workplace: Workplace, first: Path
) -> None:
    workplace.restore(first)
    day = datetime(2025, 1, 1)
    tomorrow = [
        Event(
            f"user {n:02d}", str(day + timedelta(hours=n))[:16], {"amount": "1"}, event_id=f"n{n}"
        )
        for n in range(20)
    ]
    home = made(workplace, [*EVENTS, *tomorrow])
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        days = con.execute("select distinct ts::date from tokens.new_events").fetchall()
    assert days == [(day.date(),)]
