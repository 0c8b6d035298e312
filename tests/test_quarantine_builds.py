"""Builds with bad rows: set aside once, still set aside later, and back when they are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from datasets import Event, Label
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home

Row = tuple[object, ...]
BROKEN = ["events_ts_outside", "events_user_id_blank", "labels_user_unknown", "profiles_repeated"]


def write_bad_dataset(place: Workplace) -> None:
    """The toy dataset: a jumped clock, a lost user, a label for nobody, a profile sent twice."""
    events = list(EVENTS)
    events[3] = replace(events[3], day="1970-01-01")
    events[7] = replace(events[7], user_id=None)
    labels = [*LABELS, replace(LABELS[0], user_id="nobody")]
    place.write(events, [*PROFILES, PROFILES[4]], labels)


@pytest.fixture(scope="module")
def stopped(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build of the bad dataset that sets nothing aside leaves."""
    place.clear()
    write_bad_dataset(place)
    with pytest.raises(PragmaError, match="1970-01-01"):
        place.build("+user_tokens", quarantine=False)
    return place.keep(tmp_path_factory.mktemp("quarantine") / "stopped")


@pytest.fixture(scope="module")
def passed(stopped: Path, place: Workplace) -> Path:
    """The build after it, with the bad rows set aside."""
    place.restore(stopped)
    write_bad_dataset(place)
    place.build("+user_tokens", quarantine=True)
    return place.keep(stopped.parent / "passed")


@pytest.fixture
def built(workplace: Workplace, passed: Path) -> Home:
    workplace.restore(passed)
    write_bad_dataset(workplace)
    return workplace.home


def query(home: Home, sql: str) -> list[Row]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_a_build_goes_on_without_the_bad_rows(built: Home) -> None:
    whole = len(EVENTS)
    assert query(built, "select count(*) from contract.events") == [(whole - 2,)]
    assert query(built, "select count(*) from tokens.event_tokens") == [(whole - 2,)]
    assert query(built, "select count(*) from contract.profiles") == [(40,)]
    assert query(built, "select count(*) from contract.labels where user_id = 'nobody'") == [(0,)]


def test_a_build_tells_what_it_set_aside(built: Home) -> None:
    rejected = query(built, "select rule from contract.rejected order by rule")
    assert rejected == [(rule,) for rule in BROKEN]
    counts = "select rule, rejected from contract.checks where rejected > 0 order by rule"
    assert query(built, counts) == [(rule, 1) for rule in BROKEN]


@pytest.mark.slow
def test_building_again_gives_the_same(built: Home, workplace: Workplace) -> None:
    tables = "select * from contract.rejected order by all"
    tokens = "select * from tokens.user_tokens order by all"
    before = query(built, tables), query(built, tokens)
    workplace.build("+user_tokens", quarantine=True)
    assert (query(built, tables), query(built, tokens)) == before


@pytest.mark.slow
def test_a_build_that_was_stopped_in_between_is_made_good_by_the_next(
    built: Home, workplace: Workplace
) -> None:
    workplace.build("+checks.checks", quarantine=True)
    workplace.build("+rejected", quarantine=True)
    assert query(built, "select count(*) from contract.events") == [(len(EVENTS) - 2,)]


def test_what_was_found_is_kept_when_a_build_stops(workplace: Workplace, stopped: Path) -> None:
    home = workplace.restore(stopped)
    broken = "select rule from contract.checks where severity = 'error' and not passed order by 1"
    assert query(home, broken) == [(rule,) for rule in BROKEN]
    tables = "select table_name from duckdb_tables() where schema_name = 'tokens'"
    assert query(home, tables) == [("changed_partitions",)], "only what is due"


def test_a_gate_that_fails_half_way_leaves_the_contract_as_it_was_received(
    workplace: Workplace,
) -> None:
    workplace.write([replace(event, source=" ") for event in EVENTS])
    with pytest.raises(PragmaError, match="every row breaks a rule"):
        workplace.build("+user_tokens", quarantine=True)
    assert query(workplace.home, "select count(*) from contract.events") == [(len(EVENTS),)]
    assert query(workplace.home, "select max(rejected) from contract.checks") == [(0,)]


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


def build_of(place: Workplace, events: Sequence[Event], *, quarantine: bool = True) -> Home:
    """One build, as far as the tokens, from this state of the source."""
    place.write(events, labels=[*LABELS, Label("late", "lone", "2024-07-01", 1.0)])
    return place.build("+event_tokens", quarantine=quarantine)


@pytest.fixture(scope="module")
def first(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first build of the toy dataset and four bad events, set aside."""
    place.clear()
    build_of(place, [*EVENTS, *BAD])
    return place.keep(tmp_path_factory.mktemp("quarantine") / "first")


@pytest.fixture
def home(first: Path, workplace: Workplace) -> Home:
    """Where it is built again."""
    return workplace.restore(first)


def tokenised(home: Home) -> set[object]:
    """The ids of the events that became tokens."""
    return {name for (name,) in query(home, "select event_id from tokens.event_tokens")}


@pytest.mark.slow
def test_bad_rows_stay_listed_once_whatever_arrives_later(home: Home, workplace: Workplace) -> None:
    assert query(home, LISTED) == EACH_ONCE
    redelivered = [*EVENTS, *BAD, *BAD, ARRIVES, ANOTHER]
    build_of(workplace, redelivered)
    assert query(home, LISTED) == sorted([*EACH_ONCE, ("events_ts_outside", "user 03")])
    counts = query(home, "select rule, rejected from contract.checks where rejected > 0 order by 1")
    assert counts == [
        ("events_fields_null", 1),
        ("events_source_blank", 3),
        ("events_ts_outside", 1),
        ("labels_user_unknown", 1),
    ]
    assert query(home, "select user_id from contract.labels where user_id = 'lone'") == []
    assert tokenised(home) == {event.event_id for event in [*EVENTS, ARRIVES]}


def test_a_row_that_is_fixed_becomes_tokens_and_one_that_is_withdrawn_is_forgotten(
    home: Home, workplace: Workplace
) -> None:
    fixed = [
        replace(QUIET, source="card"),
        replace(LONE, source="card"),
        replace(UNNAMED, fields={}),
    ]
    build_of(workplace, [*EVENTS, *fixed])
    assert query(home, LISTED) == []
    assert len(query(home, "select user_id from contract.labels where user_id = 'lone'")) == 1
    good = {event.event_id for event in EVENTS}
    assert tokenised(home) == good | {"quiet", "lone", None}
    before = query(home, "from tokens.event_tokens order by all")
    build_of(workplace, [*EVENTS, *fixed])
    assert query(home, "from tokens.event_tokens order by all") == before


def test_a_later_build_that_sets_nothing_aside_stops_at_the_rows_that_are_still_bad(
    home: Home, workplace: Workplace
) -> None:
    with pytest.raises(PragmaError, match=r"events\.source: 3 of"):
        build_of(workplace, [*EVENTS, *BAD], quarantine=False)


def test_building_the_gate_alone_keeps_what_it_listed(home: Home, workplace: Workplace) -> None:
    workplace.write([*EVENTS, *BAD])
    workplace.build("rejected", quarantine=True)
    assert query(home, LISTED) == EACH_ONCE


def test_the_gate_stops_at_what_the_relation_of_violations_holds(
    home: Home, workplace: Workplace
) -> None:
    workplace.write([*EVENTS, *BAD])
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("insert into contract.violations values ('labels_task_blank', 1, 'planted', 1)")
    with pytest.raises(PragmaError, match=r"labels\.task: 1 of \d+ rows .* planted"):
        workplace.build("checks.checks", "rejected", quarantine=False)
    assert query(home, "select passed from contract.checks where rule = 'labels_task_blank'") == [
        (False,)
    ]
