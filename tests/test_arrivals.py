"""A later build tokenises what arrived, once, and ends with the tables of a single build."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import books
import duckdb
import pytest
from books import Event, Profile

from pragma_sql.book import book_of
from pragma_sql.build import build
from pragma_sql.home import Home

Row = tuple[object, ...]


def made(home: Home, folder: Path, events: Sequence[Event], profiles: Sequence[Profile]) -> Home:
    """One build from this state of the source."""
    book = books.write_book(folder, events, profiles, books.toy_labels())
    build(home, {**book_of(book, []), **books.TOY_VARS}, select=["+user_tokens"])
    return home


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
        return int(con.execute("select count(*) from contract.new_events").fetchall()[0][0])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "book"


EVENTS = books.toy_events()
PROFILES = books.toy_profiles()
LATE = Event("user 03", "2024-02-02", {"amount": "7.5", "mcc": "5411"}, event_id="late")
WITHOUT_ID = Event("user 05", "2024-02-02", {"amount": "8.5", "mcc": "5411"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    """The tokens of one build that finds everything there."""
    root = tmp_path_factory.mktemp("whole")
    everything = [*EVENTS, LATE, WITHOUT_ID]
    # The fit must not see the two that come late in the other builds.
    first = made(Home.of(root / "home"), root / "book", EVENTS, PROFILES)
    with duckdb.connect(str(first.warehouse)) as con:
        con.execute("delete from tokens.built")  # as if they were of another tokenizer
    return tokens(made(first, root / "book", everything, PROFILES))


def test_a_second_build_of_the_same_source_takes_nothing_for_new(home: Home, folder: Path) -> None:
    before = tokens(made(home, folder, EVENTS, PROFILES))
    assert tokens(made(home, folder, EVENTS, PROFILES)) == before
    assert arrived(home) == 0


def test_a_user_whose_events_came_with_an_earlier_build_is_no_stranger(
    home: Home, folder: Path
) -> None:
    made(home, folder, EVENTS, PROFILES)
    newcomer = Event("somebody new", "2024-02-02", {"amount": "7.5"}, event_id="first")
    made(home, folder, [*EVENTS, newcomer], [*PROFILES, Profile("nobody", "2024-01-01", {})])
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        strangers = con.execute(
            "select rows, example from contract.checks where rule = 'profiles_without_events'"
        ).fetchall()
        kept = con.execute("select user_id from tokens.built_users order by all").fetchall()
        users = con.execute("select distinct user_id from tokens.event_tokens order by all")
        assert kept == users.fetchall()
    assert strangers == [(1, "user_id nobody, as_of 2024-01-01 00:00:00")]


def test_building_one_table_alone_doubles_nothing(home: Home, folder: Path) -> None:
    made(home, folder, EVENTS, PROFILES)
    before = tokens(made(home, folder, [*EVENTS, LATE], PROFILES))
    build(home, {**book_of(folder, []), **books.TOY_VARS}, select=["event_tokens"])
    assert tokens(home) == before


def test_tokens_of_another_tokenizer_are_made_anew(home: Home, folder: Path) -> None:
    made(home, folder, EVENTS, PROFILES)
    before = tokens(made(home, folder, [*EVENTS, LATE], PROFILES))
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("update tokens.built set tokenizer_hash = 'another'")
    assert tokens(made(home, folder, [*EVENTS, LATE], PROFILES)) == before


def test_an_event_older_than_the_last_build_is_not_lost(
    home: Home, folder: Path, whole: dict[str, list[Row]]
) -> None:
    made(home, folder, EVENTS, PROFILES)
    assert tokens(made(home, folder, [*EVENTS, LATE, WITHOUT_ID], PROFILES)) == whole
    assert arrived(home) == 2


def test_an_event_that_is_delivered_again_is_not_doubled(
    home: Home, folder: Path, whole: dict[str, list[Row]]
) -> None:
    made(home, folder, [*EVENTS, LATE, WITHOUT_ID], PROFILES)
    again = [*EVENTS, LATE, WITHOUT_ID, LATE, WITHOUT_ID]
    made(home, folder, again, PROFILES)
    assert arrived(home) == 0
    assert len(tokens(home)["event_tokens"]) == len(whole["event_tokens"])


def test_equal_events_within_one_delivery_count_once(
    home: Home, folder: Path, whole: dict[str, list[Row]]
) -> None:
    made(home, folder, EVENTS, PROFILES)
    twice = [*EVENTS, LATE, WITHOUT_ID, LATE, WITHOUT_ID]
    assert tokens(made(home, folder, twice, PROFILES)) == whole


def test_events_of_one_moment_without_ids_are_told_apart_by_content(
    home: Home, folder: Path
) -> None:
    other = Event("user 05", "2024-02-02", {"amount": "9.5", "mcc": "5411"})
    made(home, folder, [*EVENTS, WITHOUT_ID], PROFILES)
    made(home, folder, [*EVENTS, WITHOUT_ID, other], PROFILES)
    assert len(tokens(home)["event_tokens"]) == len(EVENTS) + 2


def test_ten_deliveries_in_any_order_end_like_one(
    home: Home, folder: Path, whole: dict[str, list[Row]]
) -> None:
    made(home, folder, EVENTS, PROFILES)  # the fit sees the same rows
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("delete from tokens.event_tokens; delete from tokens.built_partitions")
    everything = [*EVENTS, LATE, WITHOUT_ID]
    for part in range(3):
        made(home, folder, [*everything[part::3], *everything[: 20 * part]], PROFILES)
    assert tokens(home) == whole


def test_a_changed_profile_keeps_its_history(home: Home, folder: Path) -> None:
    made(home, folder, EVENTS, PROFILES)
    before = tokens(home)["profile_tokens"]
    moved = Profile("user 00", "2024-09-01", {"region": "south"}, {"first_login": "2024-01-01"})
    after = tokens(made(home, folder, EVENTS, [moved]))["profile_tokens"]
    new = set(map(str, after)) - set(map(str, before))
    assert set(map(str, before)) <= set(map(str, after))
    assert len(new) == 1, "the region of the new snapshot; its milestone was known"


def test_an_event_without_a_moment_is_checked_before_the_tokens_change(
    home: Home, folder: Path
) -> None:
    before = tokens(made(home, folder, EVENTS, PROFILES))
    broken = Event("user 01", None, {"amount": "1"}, event_id="no moment")
    with pytest.raises(Exception, match=r"ts: 1 of \d+ rows are null"):
        made(home, folder, [*EVENTS, broken], PROFILES)
    assert tokens(home) == before


def test_a_later_build_reads_the_partitions_that_changed_alone(home: Home, folder: Path) -> None:
    made(home, folder, EVENTS, PROFILES)
    day = datetime(2025, 1, 1)
    tomorrow = [
        Event(
            f"user {n:02d}", str(day + timedelta(hours=n))[:16], {"amount": "1"}, event_id=f"n{n}"
        )
        for n in range(20)
    ]
    made(home, folder, [*EVENTS, *tomorrow], PROFILES)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        days = con.execute("select distinct ts::date from contract.new_events").fetchall()
    assert days == [(day.date(),)]
