"""Bins: exact quantiles of what is not zero, held against sorting and counting."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined

from pragma_sql.formats.paths import DBT_PROJECT

Edges = Callable[[list[float], int], list[float | None]]


@pytest.fixture(scope="module")
def sql() -> Iterator[Edges]:
    """The upper edges that fit.numeric_bins gives to numbers, bin 0 left out."""
    text = (DBT_PROJECT / "models" / "fit" / "numeric_bins.sql").read_text()
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    con = duckdb.connect()
    con.execute("create table fields as select 'x' as key, 'numeric' as kind")

    def edges(numbers: list[float], bins: int) -> list[float | None]:
        counted = pa.table({"number": pa.array(numbers, pa.float64())})
        con.register("counted", counted)
        con.execute(
            "create or replace table field_values as"
            " select 'x' as key, number, count(*) as n from counted group by number"
        )
        model = environment.from_string(text).render(ref=str, var={"bins": bins}.__getitem__)
        found = con.execute(f"select upper_edge from ({model}) where bin > 0 order by bin")
        return [edge for (edge,) in found.fetchall()]

    yield edges
    con.close()


def slow_edges(numbers: list[float], bins: int) -> list[float | None]:
    """For each j, the least number that j/bins of them do not exceed; not the largest."""
    rest = sorted(number for number in numbers if number != 0)
    edges = {
        next(x for x in rest if sum(y <= x for y in rest) * bins >= j * len(rest))
        for j in range(1, bins + 1)
        if rest
    }
    return [*sorted(edges - set(rest[-1:])), None]


NUMBERS = st.lists(
    st.one_of(
        st.integers(-3, 3).map(float),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 0.30000000000000004]),
    ),
    max_size=60,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(numbers=NUMBERS, bins=st.integers(1, 64))
def test_edges_are_the_exact_quantiles_and_increase_strictly(
    numbers: list[float], bins: int, sql: Edges
) -> None:
    found = sql(numbers, bins)
    assert found == slow_edges(numbers, bins)
    inner = [edge for edge in found if edge is not None]
    assert inner == sorted(set(inner))
    assert len(found) <= bins


def test_fewer_numbers_than_bins_get_a_bin_each(sql: Edges) -> None:
    assert sql([3, 1, 2, 2], 64) == [1, 2, None]


def test_one_number_that_holds_most_of_them_gives_one_edge(sql: Edges) -> None:
    assert sql([5.0] * 98 + [1.0, 9.0], 4) == [5.0, None]
