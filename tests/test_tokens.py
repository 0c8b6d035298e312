"""The SQL tokenizer gives the ids that a slow, independent one gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from datasets import EVENTS, PROFILES, Event, toy_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slow_tokenizer import SlowTokenizer, Tokens, calendar

from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.render import tokenize_sql
from pragma_udfs.bpe import register_bpe

Sql = Callable[[Sequence[Event]], list[Tokens]]


@pytest.fixture(scope="module")
def slow(toy: Home) -> SlowTokenizer:
    with duckdb.connect(str(toy.warehouse), read_only=True) as con:
        return slow_tokenizer(con)


def slow_tokenizer(con: duckdb.DuckDBPyConnection) -> SlowTokenizer:
    return SlowTokenizer(
        con.execute("select key, kind from fit.fields").fetchall(),
        con.execute("select key, bin, upper_edge from fit.numeric_bins").fetchall(),
        con.execute("select token_id, kind, key, value from fit.vocabulary").fetchall(),
        con.execute("select bpe from fit.tokenizer").fetchall()[0][0],
        set(con.execute("select distinct source, key from fit.source_values").fetchall()),
    )


@pytest.fixture(scope="module")
def sql(toy: Home) -> Iterator[Sql]:
    """The bundle's door: tokenize.sql on rows that are in no warehouse."""
    with duckdb.connect(str(toy.warehouse), read_only=True) as con:
        spec, tokenizer_hash, bpe = con.execute(
            "select spec, tokenizer_hash, bpe from fit.tokenizer"
        ).fetchall()[0]
    online = duckdb.connect()
    online.register("profiles", PROFILES.empty_table())
    register_bpe(online, lambda _: bpe)

    def tokenize(events: Sequence[Event]) -> list[Tokens]:
        rows = [{**event.row(), "event_id": f"{i:05d}"} for i, event in enumerate(events)]
        online.register("events", pa.Table.from_pylist(rows, schema=EVENTS))
        online.execute(tokenize_sql(spec, tokenizer_hash))
        query = "select key_ids, value_ids, positions from event_tokens order by event_id"
        return [Tokens(*row) for row in online.execute(query).fetchall()]

    yield tokenize
    online.close()


HAND_WRITTEN = {
    "nothing but a source": {},
    "a null value": {"amount": None, "shop": None, "category": None},
    "zero, written in four ways": {"amount": "0", "mcc": "0"},
    "negative zero": {"amount": "-0.0"},
    "zero with decimals": {"amount": "0.00"},
    "an exponent": {"amount": "1e5"},
    "spaces around a number": {"amount": " 12 "},
    "not a number": {"amount": "NaN"},
    "infinity": {"amount": "inf"},
    "minus infinity": {"amount": "-Infinity"},
    "too large for a double": {"amount": "1e400"},
    "as small as a double can be": {"amount": "5e-324"},
    "largest double": {"amount": "1.7976931348623157e308"},
    "words for a number": {"amount": "n/a"},
    "a decimal comma": {"amount": "12,50"},
    "empty strings": {"amount": "", "shop": "", "category": ""},
    "unseen category": {"category": "yachts"},
    "category with a space": {"category": "food "},
    "unseen key": {"colour": "red", "amount": "3"},
    "a code that looks like a number": {"mcc": "5411"},
    "the same code, written otherwise": {"mcc": "5411.0"},
    "seen text": {"shop": "corner shop 1"},
    "text never seen": {"shop": "ŁÓDŹ 🍣 寿司"},
    "text beyond the cap": {"shop": "x y z " * 40, "mcc": "5411"},
    "a quote and a line break": {"shop": 'o\'brien\n"co"; drop table events'},
}


@pytest.mark.parametrize("fields", HAND_WRITTEN.values(), ids=HAND_WRITTEN)
def test_hand_written_rows_get_the_slow_tokenizers_ids(
    fields: dict[str, str | None], sql: Sql, slow: SlowTokenizer
) -> None:
    assert sql([Event("u", "2024-05-01", fields)]) == [slow.event("card", fields)]


def test_numbers_on_and_beside_every_edge_fall_into_the_same_bins(
    sql: Sql, slow: SlowTokenizer
) -> None:
    numbers = [
        repr(number)
        for edge in slow.edges["amount"]
        for number in (edge, edge * (1 + 1e-15), edge * (1 - 1e-15))
    ]
    events = [Event("u", "2024-05-01", {"amount": number}) for number in numbers]
    assert sql(events) == [slow.event("card", event.fields) for event in events]


VALUES = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.floats().map(repr),
    st.integers().map(str),
    st.decimals(places=2, min_value=-1000, max_value=1000).map(str),
    st.sampled_from(
        ["food", "corner café 1", "5411", "NaN", "inf", "1e5", " 12 ", "", "-0", "1_000"]
    ),
)
KEYS = st.one_of(
    st.sampled_from(["amount", "shop", "category", "mcc", "region", "source", "milestone"]),
    st.text(min_size=1, max_size=5),
)
MADE_EVENTS = st.lists(
    st.builds(
        Event,
        user_id=st.just("u"),
        day=st.just("2024-05-01"),
        fields=st.dictionaries(KEYS, VALUES, max_size=7),
        source=st.sampled_from(["card", "transfer", "never seen"]),
    ),
    max_size=20,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=MADE_EVENTS)
def test_made_up_events_get_the_slow_tokenizers_ids(
    events: list[Event], sql: Sql, slow: SlowTokenizer
) -> None:
    assert sql(events) == [slow.event(event.source or "", event.fields) for event in events]


def test_dbt_gives_every_event_the_slow_tokenizers_ids(
    toy_connection: duckdb.DuckDBPyConnection, slow: SlowTokenizer
) -> None:
    rows = toy_connection.execute(
        "select event_id, key_ids, value_ids, positions, hour, weekday, monthday"
        " from tokens.event_tokens"
    ).fetchall()
    found = {event_id: (Tokens(*tokens[:3]), tokens[3:]) for event_id, *tokens in rows}
    assert len(found) == len(rows) == len(toy_events())
    for event in toy_events():
        tokens, moment = found[event.event_id]
        assert tokens == slow.event(event.source or "", event.fields)
        assert event.ts is not None
        assert tuple(moment) == calendar(event.ts)


def test_the_fit_found_each_kind_of_field(toy_connection: duckdb.DuckDBPyConnection) -> None:
    kinds = dict(toy_connection.execute("select key, kind from fit.fields").fetchall())
    assert kinds == {
        "age": "numeric",
        "amount": "numeric",
        "category": "category",
        "mcc": "category",
        "milestone": "category",
        "region": "category",
        "shop": "text",
        "source": "category",
    }


def test_equal_events_are_equal_rows_whatever_the_order_of_their_keys(sql: Sql) -> None:
    forward = Event("u", "2024-05-01", {"amount": "3", "mcc": "5411"})
    backward = Event("u", "2024-05-01", {"mcc": "5411", "amount": "3"})
    first, second = sql([forward, backward])
    assert first == second


def test_tokenize_sql_is_the_warehouses_own_sql(toy: Home, tmp_path: Path) -> None:
    with duckdb.connect(str(toy.warehouse), read_only=True) as con:
        spec, tokenizer_hash, bpe = con.execute(
            "select spec, tokenizer_hash, bpe from fit.tokenizer"
        ).fetchall()[0]
        register_bpe(con, lambda _: bpe)
        for name, relation in (
            ("events", "contract.events"),
            ("profiles", "contract.profiles"),
        ):
            con.execute(f"create temp view {name} as from {relation}")
        con.execute(tokenize_sql(spec, tokenizer_hash))
        for relation in ("event_tokens", "profile_tokens"):
            columns = ", ".join(con.table(relation).columns)
            own = f"from {relation} intersect all select {columns} from tokens.{relation}"
            counts = con.execute(
                f"select (select count(*) from {relation}), (select count(*) from ({own}))"
            ).fetchall()
            assert counts[0][0] == counts[0][1] > 0
        differing = con.execute(
            "select count(*) from"
            " (from user_tokens except select * exclude (split) from tokens.user_tokens)"
        ).fetchall()
        assert differing == [(0,)]
