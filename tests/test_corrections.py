"""Whatever is done to a source, its tokens are those that a warehouse made again would have."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import datasets
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Event, Label, Profile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from older_warehouse import with_state_of_hooks
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home

Row = tuple[object, ...]
Tables = dict[str, list[Row]]

WITHOUT_IDS = [replace(event, event_id=None) for event in EVENTS]
TABLES = ("event_tokens", "profile_tokens", "_ingested")


def write_parts(
    place: Workplace, parts: Sequence[Sequence[Event]], profiles: Sequence[Profile]
) -> None:
    """The dataset with its events in several files, and labels of who has some."""
    users = {event.user_id for events in parts for event in events}
    place.write([], profiles, [label for label in LABELS if label.user_id in users])
    (place.dataset / "events.parquet").unlink()
    shutil.rmtree(place.dataset / "events", ignore_errors=True)
    (place.dataset / "events").mkdir()
    for number, events in enumerate(parts):
        table = pa.Table.from_pylist([event.row() for event in events], schema=datasets.EVENTS)
        pq.write_table(table, place.dataset / "events" / f"{number}.parquet")


def tables(home: Home) -> Tables:
    """What the tokens are, and what is remembered of them."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return {
            name: con.execute(f"select * from tokens.{name} order by all").fetchall()
            for name in TABLES
        }


def made_again(place: Workplace) -> Tables:
    """The same after all tokens are made again, with the same fit."""
    with duckdb.connect(str(place.home.warehouse)) as con:
        con.execute("update tokens.event_tokens set tokenizer = 'another'")
    return tables(place.build("+user_tokens"))


def counts(home: Home) -> tuple[int, int]:
    """Rows of contract.events and of tokens.event_tokens."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        (row,) = con.execute(
            "select (select count(*) from contract.events),"
            " (select count(*) from tokens.event_tokens)"
        ).fetchall()
    return row  # type: ignore[return-value]


@pytest.fixture(scope="module")
def first(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first build of half the events with ids and half without, in three files."""
    place.clear()
    write_parts(place, initial(), PROFILES)
    place.build("+user_tokens")
    return place.keep(tmp_path_factory.mktemp("corrections") / "first")


def initial() -> list[list[Event]]:
    mixed = [*EVENTS[::2], *WITHOUT_IDS[1::2]]
    return [mixed[part::3] for part in range(3)]


def edited(parts: list[list[Event]], chance: random.Random) -> list[list[Event]]:
    """A few edits, each of a kind that happens to tables."""
    parts = [list(part) for part in parts]
    for _ in range(chance.randint(1, 6)):
        part = chance.choice([part for part in parts if part])
        place = chance.randrange(len(part))
        event = part[place]
        match chance.randrange(8):
            case 0:  # corrected
                part[place] = replace(event, fields={**(event.fields or {}), "amount": "77.7"})
            case 1:  # deleted
                del part[place]
            case 2:  # delivered again, its keys in another order
                chance.choice(parts).append(
                    replace(event, fields=dict(reversed((event.fields or {}).items())))
                )
            case 3:  # late
                part.append(replace(event, day=f"2024-{chance.randint(1, 12):02d}-11"))
            case 4:  # of another day
                part[place] = replace(event, day=f"2025-01-{chance.randint(1, 28):02d}")
            case 5:  # a user is erased
                for each in parts:
                    each[:] = [other for other in each if other.user_id != event.user_id]
            case 6:  # a day is withdrawn
                for each in parts:
                    each[:] = [other for other in each if other.day != event.day]
            case 7:  # two change places
                other = chance.randrange(len(part))
                one, two = part[place], part[other]
                part[place] = replace(one, fields=two.fields)
                part[other] = replace(two, fields=one.fields)
    return parts


def edited_profiles(profiles: list[Profile], chance: random.Random) -> list[Profile]:
    profiles = list(profiles)
    place = chance.randrange(len(profiles))
    profile = profiles[place]
    match chance.randrange(4):
        case 0:
            del profiles[place]
        case 1:
            profiles[place] = replace(profile, attributes={"region": "west"})
        case 2:
            profiles[place] = replace(profile, day="2024-02-02")
        case 3:
            profiles[place] = replace(profile, lifelong={"first_login": "2023-12-24"})
    return profiles


def edited_and_held_against_all_again(seed: int, place: Workplace, first: Path) -> None:
    """Builds after random edits; the last is compared with one that makes all tokens again."""
    chance = random.Random(seed)
    place.restore(first)
    parts, profiles = initial(), list(PROFILES)
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.2:
            chance.shuffle(parts)
        parts, profiles = edited(parts, chance), edited_profiles(profiles, chance)
        write_parts(place, parts, profiles)
        found = tables(place.build("+user_tokens"))
        rows = counts(place.home)
        assert rows[0] == rows[1] == len(found["event_tokens"])
    assert found == made_again(place)


BUILDS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@settings(BUILDS, max_examples=1)
@given(seed=st.integers(0, 2**32))
def test_after_any_edits_the_tables_are_as_if_made_anew(
    seed: int, place: Workplace, first: Path
) -> None:
    edited_and_held_against_all_again(seed, place, first)


@pytest.mark.slow
@settings(BUILDS, max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_after_any_edits_of_ten_more_tables_they_are_as_if_made_anew(
    seed: int, place: Workplace, first: Path
) -> None:
    edited_and_held_against_all_again(seed, place, first)


def test_events_that_are_delivered_twice_count_once_everywhere(
    place: Workplace, first: Path
) -> None:
    place.restore(first)
    parts = initial()
    before = tables(place.home)["event_tokens"]
    write_parts(place, [*parts, parts[1][:20]], PROFILES)
    home = place.build("+user_features", "+user_tokens")
    assert tables(home)["event_tokens"] == before
    assert counts(home) == (len(EVENTS), len(EVENTS))
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        checks = con.execute(
            "select sum(rows), any_value(severity) from contract.checks where rule in"
            " ('events_event_id_repeated', 'events_repeated')"
        ).fetchall()
        assert checks == [(20, "warn")]


@pytest.mark.parametrize(
    "damage",
    [
        "delete",
        pytest.param("double", marks=pytest.mark.slow),
        pytest.param("move", marks=pytest.mark.slow),
    ],
)
def test_damaged_tokens_stop_a_build_and_the_next_mends_them(
    damage: str, workplace: Workplace, first: Path
) -> None:
    home = workplace.restore(first)
    before = tables(home)["event_tokens"]
    one = "rowid = (select min(rowid) from tokens.event_tokens)"
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(
            {
                "delete": f"delete from tokens.event_tokens where {one}",
                "double": f"insert into tokens.event_tokens from tokens.event_tokens where {one}",
                "move": f"update tokens.event_tokens set ts = ts + interval 1 second where {one}",
            }[damage]
        )
    write_parts(workplace, initial(), PROFILES)
    with pytest.raises(PragmaError, match="not one row for each event") as refusal:
        workplace.build("+user_tokens")
    assert "pragma build" in refusal.value.next_step
    assert tables(workplace.build("+user_tokens"))["event_tokens"] == before


@pytest.mark.parametrize("older_still", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_warehouse_of_an_older_version_is_built_on_with_its_own_tokenizer(
    workplace: Workplace, first: Path, older_still: bool
) -> None:
    home = workplace.restore(first)
    before = tables(home)
    with_state_of_hooks(home, older_still=older_still)
    write_parts(workplace, initial(), PROFILES)
    after = tables(workplace.build("+user_tokens"))
    for name in ("event_tokens", "profile_tokens", "_ingested"):
        assert after[name] == before[name]
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        made = con.execute("select count(*) > 0 from tokens.new_events").fetchall()
        old = con.execute("select table_name from duckdb_tables() where table_name ^@ 'built'")
        assert old.fetchall() == []
    assert made == [(older_still,)], "all tokens again only without a record of them"


def test_a_label_of_a_user_whose_events_are_gone_stops_the_very_next_build(
    workplace: Workplace, first: Path
) -> None:
    workplace.restore(first)
    shutil.rmtree(workplace.dataset / "events", ignore_errors=True)
    user = EVENTS[0].user_id
    workplace.write(
        [event for event in EVENTS if event.user_id != user],
        PROFILES,
        [Label("churn", str(user), "2024-02-01", 1)],
    )
    with pytest.raises(PragmaError, match="1 of 1 rows belong to users without events"):
        workplace.build("+user_tokens")
