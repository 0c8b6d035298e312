"""`pragma publish`: readers have their own files, whole at every moment, whatever is written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from workplace import Workplace

from pragma_sql.errors import PragmaError
from pragma_sql.home import Home
from pragma_sql.publish import publish_tables

READER = """
import duckdb, json, sys
database, stop = sys.argv[1:]
from pathlib import Path
stays = duckdb.connect(database, read_only=True)
query = "select (select version from published), count(*), sum(embedding[1]) from user_embeddings"
seen, failed = [], []
print("ready", flush=True)
while not Path(stop).exists():
    try:
        with duckdb.connect(database, read_only=True) as fresh:
            row = list(fresh.execute(query).fetchall()[0])
        if row not in seen:
            seen.append(row)
        stays.execute(query).fetchall()
    except Exception as error:
        failed.append(str(error))
print(json.dumps({"seen": seen, "failed": failed}))
"""


@pytest.fixture(scope="module")
def built(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy warehouse, and vectors that no model made; a publication does not look at them."""
    place.clear()
    place.write()
    place.build()
    with duckdb.connect(str(place.home.warehouse)) as con:
        con.execute(
            "insert into vectors.user_embeddings"
            " select user_id, 'abc', eval_ts, list_transform(range(64), lambda i: i)::float[64]"
            " from contract.labels"
        )
    return place.keep(tmp_path_factory.mktemp("publish") / "built")


@pytest.fixture
def home(built: Path, workplace: Workplace) -> Home:
    home = workplace.restore(built)
    workplace.write()
    return home


@contextmanager
def reading(database: Path, folder: Path) -> Iterator[dict[str, list[list[object]]]]:
    """Another process reads all the while; what it saw is there at the end."""
    stop = folder / "stop"
    command = [sys.executable, "-c", READER, str(database), str(stop)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    found: dict[str, list[list[object]]] = {}
    try:
        yield found
    finally:
        stop.touch()
        found.update(json.loads(process.communicate(timeout=60)[0]))


def ask(database: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as con:
        return con.execute(query).fetchall()


def test_the_views_hold_the_tables_with_their_types(home: Home) -> None:
    publish_tables(home.warehouse, home.published)
    database = home.published / "bi.duckdb"
    for name in ("vectors.user_embeddings", "views.user_features", "views.embedding_drift"):
        view = name.partition(".")[2]
        assert ask(database, f"describe {view}") == ask(home.warehouse, f"describe {name}")
        rows = ask(home.warehouse, f"from {name} order by all")
        assert ask(database, f"from {view} order by all") == rows
    assert len(ask(database, "from user_embeddings")) == 80
    parts = {path.parent.name for path in home.published.glob("*/user_embeddings/**/*.parquet")}
    assert parts == {"month=2024-07", "month=2024-10"}


def test_bi_tools_find_the_numbers_of_a_vector_in_columns(home: Home) -> None:
    publish_tables(home.warehouse, home.published)
    (row,) = ask(
        home.published / "bi.duckdb",
        "select model_id, e1, e2, e64 from user_embeddings_flat limit 1",
    )
    assert row == ("abc", 0, 1, 63)


def test_readers_stay_connected_while_a_version_takes_the_place_of_another(
    home: Home, tmp_path: Path
) -> None:
    publish_tables(home.warehouse, home.published)
    with reading(home.published / "bi.duckdb", tmp_path) as found:
        with duckdb.connect(str(home.warehouse)) as con:
            con.execute("delete from vectors.user_embeddings where user_id < 'user 10'")
        publish_tables(home.warehouse, home.published)
    assert found["failed"] == []
    assert [count for _, count, _ in found["seen"]] in ([80, 60], [60])
    versions = [path for path in home.published.iterdir() if path.is_dir()]
    assert len(versions) == 2


def test_readers_read_while_a_build_writes(
    home: Home, workplace: Workplace, tmp_path: Path
) -> None:
    publish_tables(home.warehouse, home.published)
    with reading(home.published / "bi.duckdb", tmp_path) as found:
        workplace.build("+tokens")
    assert found["failed"] == []
    assert [count for _, count, _ in found["seen"]] == [80]


def test_the_last_two_versions_stay(home: Home) -> None:
    made = [publish_tables(home.warehouse, home.published)[0].folder.parent for _ in range(3)]
    assert [version.exists() for version in made] == [False, True, True]
    assert not [path.name for path in home.published.iterdir() if path.name.startswith(".")]


def test_a_publication_that_fails_changes_nothing_for_readers(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_tables(home.warehouse, home.published)
    before = {path: path.stat().st_ino for path in home.published.rglob("*")}

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("pragma_sql.publish.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        publish_tables(home.warehouse, home.published)
    assert {path: path.stat().st_ino for path in home.published.rglob("*")} == before


def test_without_vectors_nothing_is_published(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("delete from vectors.user_embeddings")
    with pytest.raises(PragmaError, match="holds no vectors yet") as refusal:
        publish_tables(home.warehouse, home.published)
    assert "pragma register RUN" in refusal.value.next_step
    assert not home.published.exists()


def test_a_warehouse_that_is_being_written_is_not_published(home: Home) -> None:
    hold = (
        "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", hold, str(home.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(PragmaError, match="is being written by another process"):
        publish_tables(home.warehouse, home.published)
    writer.communicate("\n")
    assert not home.published.exists()
