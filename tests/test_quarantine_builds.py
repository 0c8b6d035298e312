"""Builds of a book with bad rows: set aside once, still so later, and back when they are mended."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import books
import duckdb
import pytest
from books import Event, Label

from pragma_sql.book import Variables, book_of
from pragma_sql.build import build
from pragma_sql.errors import PragmaError
from pragma_sql.home import Home


@pytest.fixture(scope="module")
def bad_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with a jumped clock, a lost user, a label for nobody, a profile sent twice."""
    events = books.toy_events()
    events[3] = replace(events[3], day="1970-01-01")
    events[7] = replace(events[7], user_id=None)
    profiles = books.toy_profiles()
    labels = books.toy_labels()
    return books.write_book(
        tmp_path_factory.mktemp("bad_book"),
        events,
        [*profiles, profiles[4]],
        [*labels, replace(labels[0], user_id="nobody")],
    )


@pytest.fixture(scope="module")
def built(bad_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse of the bad book: refused first, then built with its bad rows set aside."""
    home = Home.of(tmp_path_factory.mktemp("built"))
    with pytest.raises(PragmaError, match="1970-01-01"):
        build(home, variables(bad_book))
    build(home, {**variables(bad_book), "quarantine": True})
    return home


def variables(book: Path) -> Variables:
    return {**book_of(book, []), **books.TOY_VARS}


def query(home: Home, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_a_build_goes_on_without_the_bad_rows(built: Home) -> None:
    whole = len(books.toy_events())
    assert query(built, "select count(*) from contract.events") == [(whole - 2,)]
    assert query(built, "select count(*) from tokens.event_tokens") == [(whole - 2,)]
    assert query(built, "select count(*) from contract.profiles") == [(40,)]
    assert query(built, "select count(*) from contract.labels where user_id = 'nobody'") == [(0,)]


def test_a_build_tells_what_it_set_aside(built: Home) -> None:
    assert query(built, "select rule from contract.rejected order by rule") == [
        ("events_ts_outside",),
        ("events_user_id_blank",),
        ("labels_user_unknown",),
        ("profiles_repeated",),
    ]
    assert query(
        built, "select rule, rejected from contract.checks where rejected > 0 order by rule"
    ) == [
        ("events_ts_outside", 1),
        ("events_user_id_blank", 1),
        ("labels_user_unknown", 1),
        ("profiles_repeated", 1),
    ]


def test_building_again_gives_the_same(built: Home, bad_book: Path) -> None:
    tables = "select * from contract.rejected order by all"
    tokens = "select * from tokens.user_tokens order by all"
    before = query(built, tables), query(built, tokens)
    build(built, {**variables(bad_book), "quarantine": True})
    assert (query(built, tables), query(built, tokens)) == before


def test_a_build_that_was_stopped_in_between_is_made_good_by_the_next(
    built: Home, bad_book: Path
) -> None:
    build(built, {**variables(bad_book), "quarantine": True}, select=["+checks"])
    build(built, {**variables(bad_book), "quarantine": True})
    whole = len(books.toy_events())
    assert query(built, "select count(*) from contract.events") == [(whole - 2,)]


def test_what_was_found_is_kept_when_a_build_stops(bad_book: Path, tmp_path: Path) -> None:
    home = Home.of(tmp_path)
    with pytest.raises(PragmaError):
        build(home, variables(bad_book))
    assert query(
        home,
        "select rule from contract.checks where severity = 'error' and not passed order by rule",
    ) == [
        ("events_ts_outside",),
        ("events_user_id_blank",),
        ("labels_user_unknown",),
        ("profiles_repeated",),
    ]
    tables = "select table_name from duckdb_tables() where schema_name = 'tokens'"
    assert query(home, f"{tables} and table_name ^@ 'built' = false") == []


def test_a_gate_that_fails_half_way_leaves_the_contract_as_it_was_received(tmp_path: Path) -> None:
    events = [replace(event, source=" ") for event in books.toy_events()]
    book = books.write_book(tmp_path / "book", events, books.toy_profiles(), books.toy_labels())
    home = Home.of(tmp_path / "home")
    with pytest.raises(PragmaError, match="every row breaks a rule"):
        build(home, {**variables(book), "quarantine": True})
    assert query(home, "select count(*) from contract.events") == [(len(events),)]
    assert query(home, "select max(rejected) from contract.checks") == [(0,)]


# Of a day and user that nothing else happens to later, of one with other arrivals, and of two who
# have no other event.
QUIET = Event("user 01", "2024-02-03", {"amount": "1"}, source=" ", event_id="quiet")
BUSY = Event("user 02", "2024-02-04", {"amount": "2"}, source="", event_id="busy")
LONE = Event("lone", "2024-02-05", {}, source="", event_id="lone")
UNNAMED = Event("unnamed", "2024-02-05", None)
BAD = [QUIET, BUSY, LONE, UNNAMED]
ARRIVES = Event("user 02", "2024-02-04", {"amount": "3"}, event_id="arrives")
ANOTHER = Event("user 03", "1970-01-01", {"amount": "4"}, event_id="another")

LISTED = "select rule, content ->> 'user_id' from contract.rejected order by all"
EACH_ONCE = [
    ("events_fields_null", "unnamed"),
    ("events_source_blank", "lone"),
    ("events_source_blank", "user 01"),
    ("events_source_blank", "user 02"),
    ("labels_user_unknown", "lone"),
]


def build_of(home: Home, folder: Path, events: Sequence[Event], *, quarantine: bool = True) -> Home:
    """One build, as far as the tokens, from this state of the source."""
    labels = [*books.toy_labels(), Label("late", "lone", "2024-07-01", 1.0)]
    book = books.write_book(folder, events, books.toy_profiles(), labels)
    build(home, {**variables(book), "quarantine": quarantine}, select=["+event_tokens"])
    return home


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse of the toy book and four bad events, set aside."""
    root = tmp_path_factory.mktemp("first")
    return build_of(Home.of(root / "home"), root / "book", [*books.toy_events(), *BAD])


@pytest.fixture
def home(first: Home, tmp_path: Path) -> Home:
    """A copy of it, to be built again."""
    shutil.copytree(first.root, tmp_path / "home")
    return Home.of(tmp_path / "home")


def tokenised(home: Home) -> set[object]:
    """The ids of the events that became tokens."""
    return {name for (name,) in query(home, "select event_id from tokens.event_tokens")}


def test_bad_rows_stay_listed_once_whatever_arrives_later(home: Home, tmp_path: Path) -> None:
    assert query(home, LISTED) == EACH_ONCE
    redelivered = [*books.toy_events(), *BAD, *BAD, ARRIVES, ANOTHER]
    build_of(home, tmp_path / "book", redelivered)
    assert query(home, LISTED) == sorted([*EACH_ONCE, ("events_ts_outside", "user 03")])
    counts = query(home, "select rule, rejected from contract.checks where rejected > 0 order by 1")
    assert counts == [
        ("events_fields_null", 1),
        ("events_source_blank", 3),
        ("events_ts_outside", 1),
        ("labels_user_unknown", 1),
    ]
    assert query(home, "select user_id from contract.labels where user_id = 'lone'") == []
    assert tokenised(home) == {event.event_id for event in [*books.toy_events(), ARRIVES]}


def test_a_row_that_is_mended_becomes_tokens_and_one_that_is_withdrawn_is_forgotten(
    home: Home, tmp_path: Path
) -> None:
    mended = [
        replace(QUIET, source="card"),
        replace(LONE, source="card"),
        replace(UNNAMED, fields={}),
    ]
    build_of(home, tmp_path / "book", [*books.toy_events(), *mended])
    assert query(home, LISTED) == []
    assert len(query(home, "select user_id from contract.labels where user_id = 'lone'")) == 1
    good = {event.event_id for event in books.toy_events()}
    assert tokenised(home) == good | {"quiet", "lone", None}
    before = query(home, "from tokens.event_tokens order by all")
    build_of(home, tmp_path / "book", [*books.toy_events(), *mended])
    assert query(home, "from tokens.event_tokens order by all") == before


def test_a_later_build_that_sets_nothing_aside_stops_at_the_rows_that_are_still_bad(
    home: Home, tmp_path: Path
) -> None:
    with pytest.raises(PragmaError, match=r"events\.source: 3 of"):
        build_of(home, tmp_path / "book", [*books.toy_events(), *BAD], quarantine=False)


def test_building_the_gate_alone_keeps_what_it_listed(home: Home, first: Home) -> None:
    folder = first.root.parent / "book"
    build(home, {**variables(folder), "quarantine": True}, select=["rejected"])
    assert query(home, LISTED) == EACH_ONCE
