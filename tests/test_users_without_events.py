"""Users of whom a profile alone is known: a group of their own, and nobody's neighbours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from datasets import Profile
from typer.testing import CliRunner
from workplace import PROFILES, Workplace

from pragma_sql.cli import app
from pragma_sql.formats.paths import Home

torch = pytest.importorskip("torch", reason="the `train` extra is not installed")


STRANGERS = [Profile(f"stranger {n}", "2024-01-01", {"region": "north"}) for n in range(30)]


@pytest.fixture(scope="module")
def home(embedded: Home, place: Workplace) -> Home:
    """The toy warehouse with thirty users of equal profiles who have no events."""
    home = place.restore(embedded.root)
    place.write(profiles=[*PROFILES, *STRANGERS])
    place.build()
    return home


@pytest.fixture
def con(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        yield con


def test_they_have_vectors_and_no_neighbours(con: duckdb.DuckDBPyConnection) -> None:
    stranger = "user_id like 'stranger%'"
    vectors = f"select count(*) from vectors.latest_embeddings where {stranger}"
    assert con.execute(vectors).fetchall() == [(len(STRANGERS),)]
    similar = f"from views.similar_users where {stranger} or similar_{stranger}"
    assert con.execute(similar).fetchall() == []
    users = "select count(distinct user_id) from views.similar_users"
    assert con.execute(users).fetchall() == [(len(PROFILES),)]


def test_nearest_users_neither_answers_for_them_nor_names_them(
    con: duckdb.DuckDBPyConnection,
) -> None:
    assert con.execute("from nearest_users('stranger 1')").fetchall() == []
    near = con.execute("select user_id from nearest_users('user 01', n := 99)").fetchall()
    assert len(near) == len(PROFILES) - 1


def test_on_the_map_they_are_a_group_of_their_own(con: duckdb.DuckDBPyConnection) -> None:
    query = (
        "select cluster = 0 as apart, count(*), count(x), count(y),"
        " list(distinct segment order by segment)"
        " from views.embedding_map group by apart order by apart"
    )
    assert con.execute(query).fetchall() == [
        (False, len(PROFILES), len(PROFILES), len(PROFILES), ["north", "south"]),
        (True, len(STRANGERS), 0, 0, ["no events"]),
    ]


def test_the_picture_is_drawn_from_the_table(home: Home, tmp_path: Path) -> None:
    from pragma_model.reports import plot

    os.environ.pop("PRAGMA_HOME", None)
    if not any(command.name == "plot" for command in app.registered_commands):
        app.command("plot")(plot)
    picture = tmp_path / "map.png"
    ran = CliRunner().invoke(app, ["plot", "--home", str(home.root), "--picture", str(picture)])
    assert ran.exit_code == 0, ran.output
    assert picture.read_bytes().startswith(b"\x89PNG")
