"""Datasets with one kind of key, one key, one user or one event; ids at the widths of integers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pytest
from datasets import Event, Label, Profile
from slow_tokenizer import Tokens
from test_tokens import slow_tokenizer
from workplace import Workplace

from pragma_sql.formats.paths import DBT_PROJECT, MACROS
from pragma_sql.warehouse.render import load_macros, tokenize_sql
from pragma_udfs.bpe import register_bpe

SIDES = [0, 1, 252, 253, 254, 255, 256, 257, 65_533, 65_534, 65_535, 65_536, 65_537]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537])
def test_an_id_of_a_category_is_an_integer_however_many_there_are_and_wherever_they_begin(
    size: int,
) -> None:
    values = [f"value {number}" for number in range(size)]
    wanted = sorted({values[side % size] for side in SIDES})
    with duckdb.connect() as con:
        for first_id in (5, 200, 65_500):
            field = {"categories": values, "first_id": first_id}
            sql = load_macros()["category_id"]("value", field, 2)
            found = con.execute(
                f"select value, {sql} as id, typeof(id)"
                " from unnest($wanted || ['none of them']) as seen(value) order by value",
                {"wanted": wanted},
            ).fetchall()
            ids = {value: first_id + number for number, value in enumerate(values)}
            assert found == sorted(
                (value, ids.get(value, 2), "INTEGER") for value in [*wanted, "none of them"]
            )


@pytest.mark.parametrize("edges", [[], [1.0], [float(edge) for edge in range(63)]])
def test_the_id_of_a_bin_is_an_integer_by_either_way_of_finding_it(edges: Sequence[float]) -> None:
    macros = load_macros()
    with duckdb.connect() as con:
        for name in ("numeric_bin", "numeric_bin_by_count"):
            sql = macros[name]("number", edges, 65_530)
            found = con.execute(
                f"select {sql} as id, typeof(id) from unnest([-1, 0, 0.5, 99]) as seen(number)"
            ).fetchall()
            assert found == [
                (65_530 + (number != 0) * (1 + sum(edge < number for edge in edges)), "INTEGER")
                for number in (-1, 0, 0.5, 99)
            ]


@pytest.mark.parametrize("edges", [[], [1.0], [-0.5, 0.25, 7.0]])
def test_a_number_joined_with_its_bin_has_the_bin_that_a_token_has(edges: Sequence[float]) -> None:
    macros = load_macros()
    con = duckdb.connect()
    con.execute("create table bins (bin integer, lower_edge double, upper_edge double)")
    uppers = [*edges, None]
    for number, (lower, upper) in enumerate(zip([None, *edges], uppers, strict=True), 1):
        con.execute("insert into bins values (?, ?, ?)", [number, lower, upper])
    con.execute("insert into bins values (0, 0, 0)")
    numbers = [edge + step for edge in [*edges, 1e300] for step in (-0.125, 0, 0.125)]
    joined, token = macros["in_bin"]("number", "bins"), macros["numeric_bin"]("number", edges)
    found = con.execute(
        f"select number, bins.bin, {token} from unnest($numbers) as seen(number)"
        f" left join bins on {joined} where number <> 0",
        {"numbers": numbers},
    ).fetchall()
    assert len(found) == len([number for number in numbers if number])
    assert [(number, joined) for number, joined, token in found if joined != token] == []


def cycle(count: int, *keys: str, users: int = 9) -> list[Event]:
    """Events of codes A0, A1, ...: each key has so many values, and each twice."""
    return [
        Event(
            f"user {number % users}",
            f"2024-01-{1 + number % 28:02d}",
            {key: f"{key}{number % count}" for key in keys},
            event_id=str(number),
        )
        for number in range(2 * count)
    ]


def of_values(**values: str) -> list[Event]:
    """Thirty events; `{n}` in a value is the event's number."""
    return [
        Event(
            f"user {number % 3}",
            f"2024-01-{1 + number % 28:02d}",
            {key: text.format(n=number) for key, text in values.items()},
            event_id=str(number),
        )
        for number in range(30)
    ]


ONE_KIND: Mapping[str, tuple[Sequence[Event], Sequence[Profile], Mapping[str, str]]] = {
    "only categories, ids across 255": (
        cycle(120, "a", "b", "c"),
        [],
        dict.fromkeys("abc", "category"),
    ),
    "only numbers": (
        of_values(amount="{n}.25", balance="-{n}0.5"),
        [],
        {"amount": "numeric", "balance": "numeric"},
    ),
    "only texts": (of_values(note="shop number {n}"), [], {"note": "text"}),
    "only text_embed": (of_values(free="shop number {n}"), [], {"free": "text_embed"}),
    "a source and no key": (of_values(), [], {}),
    "one user, one event, one category": (
        [Event("u", "2024-01-01", {"a": "x"}, event_id="1")],
        [],
        {"a": "category"},
    ),
    "one user, one event, one number": (
        [Event("u", "2024-01-01", {"amount": "1.5"}, event_id="1")],
        [],
        {"amount": "numeric"},
    ),
    "one user, one event, one text": (
        [Event("u", "2024-01-01", {"note": "x"}, event_id="1")],
        [],
        {"note": "text"},
    ),
    "milestones, and profiles without attributes": (
        of_values(amount="{n}.25"),
        [Profile(f"user {n}", "2024-01-01", {}, {"joined": "2023-01-01"}) for n in (0, 1)],
        {"amount": "numeric", "milestone": "category"},
    ),
}

OVERRIDES = """key,kind,static,dataset
a,category,,
b,category,,
c,category,,
amount,numeric,,
balance,numeric,,
note,text,,
free,text_embed,,
"""
"""So that each dataset has the kinds that its name says, whatever the rules say."""


@pytest.fixture(scope="module")
def own_project(place: Workplace) -> Path:
    """The dbt project with these overrides."""
    folder = place.home.root.parent / "project"
    shutil.copytree(DBT_PROJECT, folder / "dbt_project")
    shutil.copytree(MACROS, folder / "macros")
    (folder / "dbt_project" / "seeds" / "field_overrides.csv").write_text(OVERRIDES)
    return folder / "dbt_project"


EVERYTHING: tuple[str, ...] = ()
QUICK = {
    "only categories, ids across 255": EVERYTHING,
    "only texts": ("+user_features", "+user_tokens"),
    "milestones, and profiles without attributes": ("+user_features", "+user_tokens"),
}


@pytest.mark.parametrize(
    ("name", "select"),
    [
        *QUICK.items(),
        *(pytest.param(name, EVERYTHING, marks=pytest.mark.slow) for name in ONE_KIND),
    ],
)
def test_a_dataset_of_one_kind_of_key_builds_as_the_slow_tokenizer_has_it(
    name: str,
    select: tuple[str, ...],
    workplace: Workplace,
    own_project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events, profiles, kinds = ONE_KIND[name]
    monkeypatch.setattr("pragma_sql.warehouse.build.DBT_PROJECT", own_project)
    first = str(events[0].user_id)
    profiles = profiles or [Profile(first, "2024-01-01")]
    workplace.write(events, profiles, [Label("task", first, "2024-02-01", 1.0)])
    home = workplace.build(*select, fit_until="2024-02-01", fit_users="all", bins=64)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        found = dict(con.execute("select key, kind from fit.fields").fetchall())
        assert found == {**kinds, "source": "category"}
        users = con.execute("select count(*), sum(len(ts)) from tokens.user_tokens").fetchall()
        assert users == [(len({event.user_id for event in events}), len(events))]
        assert con.execute("select count(*) from views.user_features").fetchall() == [(1,)]
        slow = slow_tokenizer(con)
        found = con.execute(
            "select event_id, key_ids, value_ids, positions from tokens.event_tokens"
        )
        assert {event_id: Tokens(*tokens) for event_id, *tokens in found.fetchall()} == {
            event.event_id: slow.event(str(event.source), event.fields) for event in events
        }
        assert online_tokens(con) == con.execute(TOKENS.format(schema="tokens")).fetchall()


TOKENS = "select * exclude (split) from {schema}.user_tokens order by user_id"


def online_tokens(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """The same rows by the bundle's door, which takes the short way for few rows."""
    (found,) = con.execute("select spec, tokenizer_hash, bpe from fit.tokenizer").fetchall()
    spec, tokenizer_hash, bpe = found
    register_bpe(con, lambda _: bpe)
    con.execute("create temp view events as from contract.events")
    con.execute("create temp view profiles as from contract.profiles")
    con.execute(tokenize_sql(spec, tokenizer_hash))
    return con.execute("from temp.user_tokens order by user_id").fetchall()
