"""A history has one order, whoever reads it; events that share a moment lie as their tokens do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pragma_sql.formats.histories import EVENT_ORDER, ITEM_ORDER, Histories
from pragma_sql.formats.paths import MACROS
from pragma_sql.scoring.reader import SORTED_BY, TokenReader, sort_ties
from pragma_sql.warehouse.render import load_macros

pytestmark = pytest.mark.long

COLUMNS = {
    "number": pa.int32(),
    "ts": pa.timestamp("us"),
    "event_id": pa.string(),
    "value_ids": pa.list_(pa.int32()),
    "key_ids": pa.list_(pa.int32()),
    "positions": pa.list_(pa.uint8()),
    "texts": pa.list_(pa.string()),
}

# Few values, so that most events tie; lists that begin alike, so that the shorter one comes first.
ids = st.lists(st.sampled_from([0, 1, 255, 256, 70_000]), max_size=3)
events = st.tuples(
    st.integers(0, 1),
    st.integers(0, 1),
    st.none() | st.sampled_from(["", "a", "é"]),
    ids,
    ids,
    st.lists(st.integers(0, 255), max_size=2),
    st.none() | st.lists(st.sampled_from(["", "a", "ab", "é", "\U0001f600"]), max_size=2),
)


@given(rows=st.lists(events, max_size=12))
@settings(max_examples=150, deadline=None)
def test_the_order_is_that_of_a_sort_by_everything(rows: list[tuple[object, ...]]) -> None:
    columns = zip(*rows, strict=True) if rows else ([] for _ in COLUMNS)
    table = pa.table(
        {
            name: pa.array(list(column), kind)
            for (name, kind), column in zip(COLUMNS.items(), columns, strict=True)
        }
    )
    with duckdb.connect() as con:
        con.register("given", table)
        everything = ", ".join(("number", *EVENT_ORDER))
        expected = con.execute(f"from given order by {everything}").to_arrow_table()
        sorted_rows = con.execute(f"from given order by {SORTED_BY}").to_arrow_table()
    assert sort_ties(sorted_rows).to_pylist() == expected.to_pylist()


def collected(event_tokens: str = "event_tokens", profile_tokens: str = "profile_tokens") -> str:
    return load_macros()["collect_user_tokens"](event_tokens, profile_tokens, "hash")


def test_the_sql_sorts_by_the_same_keys() -> None:
    aggregates = re.findall(r"order by (event|item)\.(.*?)\s*\) filter", collected(), re.S)
    found = {name: re.split(rf",\s+{name}\.", keys) for name, keys in aggregates}
    is_milestone = [key.replace("ts is not null", "is_milestone") for key in ITEM_ORDER]
    assert found == {"event": list(EVENT_ORDER), "item": is_milestone}
    assert "'is_milestone': ts is not null" in collected()


def test_a_moment_of_a_history_is_compared_in_the_order_of_its_events() -> None:
    sql = (MACROS / "incremental" / "changed_moments.sql").read_text()
    assert f"order by {', '.join(EVENT_ORDER[1:])})" in sql


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(
            "create schema tokens;"
            "create table tokens.event_tokens (user_id varchar, ts timestamp, event_id varchar,"
            " hour utinyint, weekday utinyint, monthday utinyint,"
            " key_ids integer[], value_ids integer[], positions utinyint[], texts varchar[]);"
            "create table tokens.profile_tokens (user_id varchar, as_of timestamp, ts timestamp,"
            " key_ids integer[], value_ids integer[], positions utinyint[], text varchar)"
        )
        yield con


few = st.integers(0, 1)
tokens = st.lists(st.tuples(few, few, few), min_size=1, max_size=2)
stored_events = st.tuples(few, few, st.none() | st.sampled_from(["a", "b"]), tokens)
# The positions of a profile item follow from its number of tokens.
item_tokens = st.lists(st.tuples(few, few), min_size=1, max_size=2).map(
    lambda pairs: [(key, value, position) for position, (key, value) in enumerate(pairs)]
)
stored_items = st.tuples(few, few, st.none() | few, item_tokens)


@given(
    events=st.lists(stored_events, min_size=1, max_size=8), items=st.lists(stored_items, max_size=6)
)
@settings(max_examples=60, deadline=None)
def test_embed_reads_the_history_that_the_shards_hold(
    con: duckdb.DuckDBPyConnection,
    events: list[tuple[int, int, str | None, list[tuple[int, int, int]]]],
    items: list[tuple[int, int, int | None, list[tuple[int, int, int]]]],
) -> None:
    con.execute("truncate tokens.event_tokens; truncate tokens.profile_tokens")
    for user, second, event_id, event in events:
        con.execute(
            "insert into tokens.event_tokens"
            " select ?, make_timestamp(? * 1000000), ?, 0, 0, 1, ?, ?, ?, null",
            [str(user), second, event_id, *map(list, zip(*event, strict=True))],
        )
    for user, known, second, item in items:
        con.execute(
            "insert into tokens.profile_tokens"
            " select ?, make_timestamp(? * 1000000), make_timestamp(? * 1000000), ?, ?, ?, null",
            [str(user), known, second, *map(list, zip(*item, strict=True))],
        )
    query = f"from ({collected('tokens.event_tokens', 'tokens.profile_tokens')}) order by user_id"
    expected = Histories.from_arrow(con.execute(query).to_arrow_table())
    (part,) = TokenReader(con.cursor).slices(pa.array(["0", "1"]), None)
    for each in fields(Histories):
        found, wanted = getattr(part.histories, each.name), getattr(expected, each.name)
        np.testing.assert_array_equal(found, wanted, err_msg=each.name)
