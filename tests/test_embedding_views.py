"""What people read of the embeddings: who is like whom, the map, and where a layout comes from."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pragma_sql.scoring.neighbours import neighbours
from pragma_sql.scoring.projection import by_pca, groups, layout
from pragma_sql.warehouse.connection import load_extension

FOUR = {
    "east": [1.0, 0.0],
    "also east": [2.0, 0.2],
    "north-east": [1.0, 1.0],
    "north": [-1.0, 4.0],
}


def with_vectors(vectors: dict[str, list[float]]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    width = len(next(iter(vectors.values())))
    con.execute(f"create table users (user_id varchar, model_id varchar, embedding float[{width}])")
    con.executemany("insert into users values (?, 'm', ?)", list(vectors.items()))
    return con


def nearest(
    con: duckdb.DuckDBPyConnection, exact_users: int, most: int = 2
) -> dict[str, list[str]]:
    found = neighbours(con, "users", most=most, exact_users=exact_users, index_users=1000)
    answer: dict[str, list[str]] = {}
    for row in found.to_pylist():
        near = answer.setdefault(row["user_id"], [])
        near.append(row["similar_user_id"])
        assert row["rank"] == len(near)
        assert row["model_id"] == "m"
    return answer


def test_the_nearest_point_the_same_way_however_long_they_are() -> None:
    with with_vectors(FOUR) as con:
        assert nearest(con, exact_users=10) == {
            "also east": ["east", "north-east"],
            "east": ["also east", "north-east"],
            "north": ["north-east", "also east"],
            "north-east": ["also east", "east"],
        }


def test_all_pairs_in_parts_are_those_of_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pragma_sql.scoring.neighbours.SCORES_AT_A_TIME", 1_000)
    random = np.random.default_rng(1)
    # Whole numbers, so that many users are equally near; the first by name comes first.
    vectors = {f"u{i:03}": random.integers(1, 4, 3).astype(float).tolist() for i in range(120)}

    def cosine(user: str, other: str) -> float:
        one, two = np.array(vectors[user]), np.array(vectors[other])
        return round(float(one @ two / np.sqrt((one @ one) * (two @ two))), 6)

    with with_vectors(vectors) as con:
        found = nearest(con, exact_users=200, most=4)
    for user in vectors:
        others = sorted((-cosine(user, other), other) for other in vectors if other != user)
        assert found[user] == [other for _, other in others[:4]]


def test_of_more_users_than_can_be_compared_a_sample_is_taken_that_stays_the_same() -> None:
    random = np.random.default_rng(0)
    vectors = {f"u{i}": random.normal(size=4).tolist() for i in range(30)}
    with with_vectors(vectors) as con:
        first = neighbours(con, "users", most=3, exact_users=10, index_users=10)
    assert len(set(first["user_id"].to_pylist())) == 10
    with with_vectors(dict(reversed(vectors.items()))) as con:
        assert neighbours(con, "users", most=3, exact_users=10, index_users=10) == first


def test_an_index_finds_whom_a_comparison_of_all_pairs_finds() -> None:
    random = np.random.default_rng(0)
    vectors = {f"u{i}": random.normal(size=8).tolist() for i in range(300)}
    with with_vectors(vectors) as con:
        if not load_extension(con, "vss"):
            pytest.skip("DuckDB's extension vss is not installed")
        exact, indexed = nearest(con, 1000, most=5), nearest(con, 100, most=5)
    assert exact.keys() == indexed.keys()
    same = sum(len(set(exact[user]) & set(indexed[user])) for user in exact)
    assert same > 0.97 * 5 * len(exact)


def test_nobody_has_no_neighbours() -> None:
    with with_vectors({"a": [1.0, 0.0]}) as con:
        assert nearest(con, 10) == {}
        con.execute("delete from users")
        assert nearest(con, 10) == {}


def test_the_first_two_components_are_those_along_which_vectors_differ_most() -> None:
    random = np.random.default_rng(0)
    wide, high = 9 * random.normal(size=200), 3 * random.normal(size=200)
    vectors = np.column_stack([0.1 * random.normal(size=200), high, wide])
    points = by_pca(vectors)
    assert abs(np.corrcoef(points[:, 0], wide)[0, 1]) > 0.999
    assert abs(np.corrcoef(points[:, 1], high)[0, 1]) > 0.99
    np.testing.assert_allclose(by_pca(-vectors), -points, atol=1e-9)
    assert by_pca(np.ones((1, 3))).tolist() == [[0, 0]]
    assert by_pca(np.ones((3, 1))).tolist() == [[0, 0]] * 3


def test_like_directions_form_groups_and_the_biggest_is_the_first() -> None:
    random = np.random.default_rng(0)
    east = np.array([5.0, 0, 0]) + 0.1 * random.normal(size=(30, 3))
    north = np.array([0, 1.0, 0]) + 0.02 * random.normal(size=(50, 3))
    found = groups(np.concatenate([east, north]), 2)
    assert found.tolist() == [2] * 30 + [1] * 50
    assert groups(np.ones((4, 3)), 8).tolist() == [1] * 4
    assert groups(np.empty((0, 3)), 8).tolist() == []


def test_the_same_users_in_any_order_are_laid_out_alike() -> None:
    random = np.random.default_rng(0)
    rows = pa.table(
        {
            "user_id": [f"u{i:02d}" for i in range(40)],
            "embedding": pa.array(random.normal(size=(40, 8)).tolist(), pa.list_(pa.float32())),
        }
    )
    assert layout(rows.take(np.arange(40)[::-1]), 4) == layout(rows, 4)


def test_before_any_model_the_views_are_there_and_empty(
    toy_connection: duckdb.DuckDBPyConnection,
) -> None:
    for view in ("similar_users", "embedding_drift"):
        assert toy_connection.execute(f"from views.{view}").fetchall() == []
    assert toy_connection.execute("from nearest_users('user 01')").fetchall() == []
