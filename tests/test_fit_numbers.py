"""What counts as a number: the stated rule, and an independent reading of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from slow_tokenizer import parse

from pragma_sql.warehouse.render import load_macros

Parse = Callable[[Sequence[str]], list[float | None]]


@pytest.fixture(scope="module")
def sql() -> Iterator[Parse]:
    query = f"select {load_macros()['parse_number']('value')} from texts"
    con = duckdb.connect()

    def numbers(texts: Sequence[str]) -> list[float | None]:
        con.register("texts", pa.table({"value": pa.array(texts, pa.string())}))
        return [number for (number,) in con.execute(query).fetchall()]

    yield numbers
    con.close()


READ = {
    "12.5": 12.5,
    " 12 ": 12,
    "1e5": 100_000,
    "12,50": 12.5,
    ",5": 0.5,
    "0,123": 0.123,
    "1234,567": 1234.567,
    "1,234": 1234,
    "1,234,567.8": 1_234_567.8,
    "1'234.50": 1234.5,
    "1\u2019234": 1234,
    "1 234,5": 1234.5,
    "1\u202f234\u00a0567": 1_234_567,
    "1.234,56": 1234.56,
    "1.234.567": 1_234_567,
    "1.234": 1.234,
    "€12.50": 12.5,
    "12,50 €": 12.5,
    "US$ 1,000": 1000,
    "EUR 12": 12,
    "1.234,50 EUR": 1234.5,
    "99,90 Kč": 99.9,
    "-£5": -5,
    "£-5": -5,
    "\u22125": -5,
    "5-": -5,
    "(5)": -5,
    "$(1,000.00)": -1000,
    "( £5 )": -5,
    "12.5 %": 12.5,
}

NOT_READ = [
    "", " ", "-", "N/A", "null", "NaN", "inf", "-Infinity", "1e400", "-1e400", "0x1F", "1,23,456",
    "1,234 567", "1 23", "0 123", "5 5", "--5", "(-5)", "-5-", "€5 EUR", "€1e5", "€", "5 apples",
    "12.3.4", "1,2,3", "٣", "€" + "9" * 400, "9" * 400, "2024-01-05", "12:30",
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), READ.items(), ids=READ)
def test_a_number_is_read_however_it_is_written(text: str, number: float, sql: Parse) -> None:
    assert sql([text]) == [number]
    assert parse(text) == number


@pytest.mark.parametrize("text", NOT_READ, ids=[text[:12] for text in NOT_READ])
def test_what_is_no_number_stays_none(text: str, sql: Parse) -> None:
    assert sql([text]) == [None]
    assert parse(text) is None


SEPARATED = st.lists(
    st.one_of(
        st.sampled_from(["0", "1", "12", "123", "234", "567", "1234", "000"]),
        st.sampled_from([",", ".", " ", "'", "\u2019", "\u202f", "-", "+", "(", ")", "\u2212"]),
        st.sampled_from(
            ["€", "$", "US$", "EUR", "GBP", "XYZ", "kr", "zł", "Kč", "%", "A", "e", "_"]
        ),
    ),
    max_size=9,
).map("".join)
AMOUNTS = st.builds(
    lambda before, number, after: before + number + after,
    st.sampled_from(["", "€", "€ ", "-", "- $", "(", "EUR ", "EUR -", "+"]),
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda x: f"{x:,.2f}"),
        st.integers(0, 10**9).map(lambda x: f"{x:,}".replace(",", ".")),
        st.integers(0, 10**9).map(lambda x: f"{x:,}".replace(",", " ") + ",50"),
        st.decimals(0, 10**6, places=3).map(lambda x: str(x).replace(".", ",")),
    ),
    st.sampled_from(["", " €", "-", ")", " EUR", "%", " GBP)", " kr-"]),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(texts=["0()", "()", "( )", "(5)"])
@given(
    texts=st.lists(
        st.one_of(SEPARATED, AMOUNTS, st.text(max_size=12), st.floats().map(repr)), max_size=30
    )
)
def test_sql_and_the_slow_reading_agree_on_anything(texts: list[str], sql: Parse) -> None:
    assert sql(texts) == [parse(text) for text in texts]
