"""A vector is kept only where nothing can change what it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pragma_sql.scoring import caches as kept_vectors
from pragma_sql.scoring.caches import MAX_CHUNK_USERS, KeptVectors

USERS = pa.array(["ann", "bob", None], pa.string())
ALWAYS = pa.nulls(3, pa.timestamp("us"))
LISTS = pa.list_(pa.float32())


class Counted:
    """Gives other vectors at each call, and null for nobody."""

    def __init__(self, users: int = 3) -> None:
        self.calls, self.users = 0, users

    def __call__(self) -> pa.Array:
        self.calls += 1
        return pa.array([[float(self.calls), 0.5]] * (self.users - 1) + [None], LISTS)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "pragma.duckdb"
    duckdb.connect(str(path)).close()
    return path


@pytest.fixture
def kept(warehouse: Path) -> Iterator[KeptVectors]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        yield KeptVectors(con.cursor)


def test_a_user_asked_for_again_is_not_scored_again(kept: KeptVectors) -> None:
    embed = Counted()
    first = kept.given("m", USERS, ALWAYS, embed)
    again = kept.given("m", USERS, ALWAYS, embed)
    assert again.equals(first)
    assert first.to_pylist() == [[1.0, 0.5], [1.0, 0.5], None]
    assert embed.calls == 1


def test_another_model_moment_or_user_is(kept: KeptVectors) -> None:
    embed = Counted()
    kept.given("m", USERS, ALWAYS, embed)
    kept.given("another", USERS, ALWAYS, embed)
    kept.given("m", USERS, pa.array([0, 0, 0], pa.timestamp("us")), embed)
    kept.given("m", pa.array(["ann", "eve", None]), ALWAYS, embed)
    assert embed.calls == 4


def test_in_a_warehouse_that_may_be_written_nothing_is_kept(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as con:
        kept, embed = KeptVectors(con.cursor), Counted()
        for calls in (1, 2):
            assert kept.given("m", USERS, ALWAYS, embed)[0].as_py() == [calls, 0.5]


def test_a_scan_of_many_does_not_push_out_those_that_were_asked_for(kept: KeptVectors) -> None:
    embed, many = Counted(), Counted(MAX_CHUNK_USERS + 1)
    kept.given("m", USERS, ALWAYS, embed)
    crowd = pa.array([f"u{i}" for i in range(MAX_CHUNK_USERS + 1)])
    for _ in range(2):
        kept.given("m", crowd, pa.nulls(len(crowd), pa.timestamp("us")), many)
    kept.given("m", USERS, ALWAYS, embed)
    assert (embed.calls, many.calls) == (1, 2)


def test_the_one_asked_for_longest_ago_goes_first(
    kept: KeptVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_vectors, "MAX_CACHED_USERS", 2)

    def ask(user: str) -> int:
        embed = Counted(2)
        kept.given("m", pa.array([user, user]), pa.nulls(2, pa.timestamp("us")), embed)
        return embed.calls

    assert [ask(user) for user in ("ann", "bob", "ann", "eve", "ann", "bob")] == [1, 1, 0, 1, 0, 1]
