"""Events that share a moment lie in the order of their tokens, as the database would sort them."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pragma_sql.scoring.reader import SORTED_BY, sort_ties

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
        everything = f"{SORTED_BY}, value_ids, key_ids, positions, texts"
        expected = con.execute(f"from given order by {everything}").to_arrow_table()
        sorted_rows = con.execute(f"from given order by {SORTED_BY}").to_arrow_table()
    assert sort_ties(sorted_rows).to_pylist() == expected.to_pylist()
