"""`pragma publish`: readers have their own files, whole at every moment, whatever is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner
from workplace import Workplace

from pragma_sql.cli import app
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.publish import publish_tables
from pragma_sql.warehouse.republish import publish, republish

READER = """
import duckdb, json, sys
from pathlib import Path
database, stop, stays = sys.argv[1:]
held = duckdb.connect(database, read_only=True) if stays == "stays" else None
query = "select count(*), sum(embedding[1]) from user_embeddings"
seen, failed, stopping = [], [], False
print("ready", flush=True)
while not stopping:
    stopping = Path(stop).exists()
    try:
        con = held or duckdb.connect(database, read_only=True)
        row = list(con.execute(query).fetchall()[0])
        if not held:
            con.close()
        if row not in seen:
            seen.append(row)
    except Exception as error:
        failed.append(str(error))
print(json.dumps({"seen": seen, "failed": failed}))
"""
"""A process that reads again and again: on one connection that stays, or on a new one each time."""


@pytest.fixture(scope="module")
def built(toy: Home, place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy warehouse, and vectors that no model made; a publication does not look at them."""
    place.restore(toy.root)
    place.write()
    place.build("models+")
    with duckdb.connect(str(place.home.warehouse)) as con:
        con.execute(
            "insert into vectors.user_embeddings"
            " select user_id, 'abc', eval_ts, list_transform(range(128), lambda i: i)::float[128]"
            " from contract.labels"
        )
    kept = place.keep(tmp_path_factory.mktemp("publish") / "built")
    for path in place.home.root.glob("*.parquet"):  # what views of the warehouse read
        shutil.copy(path, kept)
    return kept


@pytest.fixture
def home(built: Path, workplace: Workplace) -> Home:
    home = workplace.restore(built)
    for path in built.glob("*.parquet"):
        shutil.copy(path, home.root)
    workplace.write()
    return home


@dataclass
class Seen:
    """What a reader found."""

    counts: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@contextmanager
def reading(database: Path, folder: Path, *, stays: bool) -> Iterator[Seen]:
    """Another process reads all the while; what it saw is there at the end."""
    stop = folder / f"stop {stays}"
    command = [sys.executable, "-c", READER, str(database), str(stop), "stays" if stays else "no"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    found = Seen()
    try:
        yield found
    finally:
        stop.touch()
        said = json.loads(process.communicate(timeout=120)[0])
        found.counts = [count for count, _ in said["seen"]]
        found.failed = said["failed"]


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
        "select model_id, e1, e2, e128 from user_embeddings_flat limit 1",
    )
    assert row == ("abc", 0, 1, 127)


def test_readers_stay_connected_while_a_version_takes_the_place_of_another(
    home: Home, tmp_path: Path
) -> None:
    publish_tables(home.warehouse, home.published)
    database = home.published / "bi.duckdb"
    with (
        reading(database, tmp_path, stays=True) as stays,
        reading(database, tmp_path, stays=False) as fresh,
    ):
        with duckdb.connect(str(home.warehouse)) as con:
            con.execute(
                "delete from vectors.user_embeddings"
                " where user_id < 'user 20' and as_of = timestamp '2024-10-01'"
            )
        publish_tables(home.warehouse, home.published)
    assert stays.failed == fresh.failed == []
    assert stays.counts == [80], "who stays connected stays with one version"
    assert fresh.counts in ([80, 60], [60])
    versions = [path for path in home.published.iterdir() if path.is_dir()]
    assert len(versions) == 2


ERASED = "delete from vectors.user_embeddings where user_id = 'user 05'"


def users_in(folder: Path) -> set[str]:
    """All users of all versions of a publication, whatever leads to their files."""
    files = [str(path) for path in folder.rglob("*.parquet") if "drift" not in str(path)]
    query = "select distinct user_id from read_parquet($files, union_by_name = true)"
    with duckdb.connect() as con:
        return {user for (user,) in con.execute(query, {"files": files}).fetchall()}


def test_a_user_who_is_gone_is_gone_from_all_versions_and_readers_stay_connected(
    home: Home,
) -> None:
    publish_tables(home.warehouse, home.published)
    with duckdb.connect(str(home.published / "bi.duckdb"), read_only=True) as reader:
        assert reader.execute("select count(*) from user_embeddings").fetchall() == [(80,)]
        with duckdb.connect(str(home.warehouse)) as con:
            con.execute(ERASED)
            con.execute("create or replace view views.user_features as select 'a' as user_id")
        publish_tables(home.warehouse, home.published)
        assert "user 05" not in users_in(home.published)
        assert reader.execute("select count(*) from user_embeddings").fetchall() == [(78,)]


def test_a_build_publishes_anew_to_each_folder_what_has_changed(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "for [bi]"
    publish(home)
    publish(home, other)
    assert list(republish(home)) == []
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(ERASED)
    assert list(republish(home)) == [
        f"published again: {home.published / 'bi.duckdb'}",
        f"published again: {other / 'bi.duckdb'}",
    ]
    for folder in (home.published, other):
        assert len(ask(folder / "bi.duckdb", "from user_embeddings")) == 78
    assert list(republish(home)) == []


def test_a_build_leaves_one_version_and_connected_readers_go_on_with_it(home: Home) -> None:
    publish(home)
    with duckdb.connect(str(home.published / "bi.duckdb"), read_only=True) as reader:
        last = "select max(as_of)::date::varchar from user_embeddings"
        assert reader.execute(last).fetchall() == [("2024-10-01",)]
        with duckdb.connect(str(home.warehouse)) as con:
            con.execute("update vectors.user_embeddings set as_of = as_of + interval 1 month")
        assert len(list(republish(home))) == 1
        assert reader.execute(last).fetchall() == [("2024-11-01",)]
    older, newest = sorted(path for path in home.published.iterdir() if path.is_dir())
    assert older.resolve() == newest


def test_by_hand_the_version_before_stays_until_the_next_build(home: Home) -> None:
    publish(home)
    publish(home)
    older, last = sorted(path for path in home.published.iterdir() if path.is_dir())
    assert not older.is_symlink()
    assert list(republish(home)) == []
    assert older.resolve() == last


def test_a_folder_that_was_removed_is_said_once_and_not_made_again(home: Home) -> None:
    publish(home)
    shutil.rmtree(home.published)
    (said,) = republish(home)
    assert "is gone, so it is not published to any more" in said
    assert list(republish(home)) == []
    assert not home.published.exists()


def test_what_was_published_before_the_folders_were_remembered_follows_too(home: Home) -> None:
    publish_tables(home.warehouse, home.published)
    assert list(republish(home)) == [f"published again: {home.published / 'bi.duckdb'}"]


def test_a_copy_of_a_home_publishes_to_its_own_folder_alone(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "of the original"
    publish(home)
    publish(home, other)
    copy = Home.of(shutil.copytree(home.root, tmp_path / "copy"))
    with duckdb.connect(str(copy.warehouse)) as con:
        con.execute(ERASED)
    assert list(republish(copy)) == [f"published again: {copy.published / 'bi.duckdb'}"]
    for folder in (home.published, other):
        assert len(ask(folder / "bi.duckdb", "from user_embeddings")) == 80


def test_a_damaged_memory_of_the_folders_is_said(home: Home) -> None:
    publish(home)
    (home.root / "published.json").write_text("[]")
    with pytest.raises(PragmaError, match="is damaged: it names the folders that builds publish"):
        list(republish(home))


def test_a_build_says_what_it_could_not_publish(home: Home) -> None:
    publish(home)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("delete from vectors.user_embeddings")
    warning, advice = republish(home)
    assert "still holds what was published before: vectors.user_embeddings holds no" in warning
    assert advice == f"next: pragma publish --to {home.published}"


def test_the_command_builds_and_publishes_what_it_built(home: Home, workplace: Workplace) -> None:
    publish(home)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(ERASED)
    where = ["--home", str(home.root), "--contract", str(workplace.dataset)]
    built = CliRunner().invoke(app, ["build", *where, "--select", "transfers"])
    assert built.exit_code == 0, built.output
    assert f"published again: {home.published / 'bi.duckdb'}" in built.output


@pytest.mark.slow
def test_readers_read_while_a_build_writes(
    home: Home, workplace: Workplace, tmp_path: Path
) -> None:
    publish_tables(home.warehouse, home.published)
    with reading(home.published / "bi.duckdb", tmp_path, stays=False) as fresh:
        workplace.build("+tokens")
    assert (fresh.counts, fresh.failed) == ([80], [])


def test_the_last_two_versions_stay(home: Home) -> None:
    made = [publish_tables(home.warehouse, home.published)[0].folder.parent for _ in range(3)]
    assert [version.exists() for version in made] == [False, True, True]
    assert not [path.name for path in home.published.iterdir() if path.name.startswith(".")]


WRITER = """
import duckdb, os, sys
con = duckdb.connect(sys.argv[1])
if sys.argv[2] == "before":
    con.execute("create table mine as select 1")
print("open", flush=True)
input()
if sys.argv[2] == "after":
    con.execute("create table mine as select 1")
os._exit(1)
"""
"""A tool that opens the file to write, makes a table before or after a publication, and dies."""


@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_what_a_tool_writes_into_the_old_database_is_not_in_the_new_one(
    home: Home, when: str
) -> None:
    publish_tables(home.warehouse, home.published)
    database = home.published / "bi.duckdb"
    tool = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(database), when],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tool.stdout
    assert tool.stdout.readline() == "open\n"
    publish_tables(home.warehouse, home.published)
    tool.communicate("go on\n")
    with duckdb.connect(str(database), read_only=True) as con:
        tables = {
            name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()
        }
    assert tables == {"published"}
    for _ in range(2):
        publish_tables(home.warehouse, home.published)
    assert not list(home.published.glob("*.wal"))
    assert len(list(home.published.glob("bi-*"))) == 2


def test_a_database_of_an_earlier_program_gives_way_with_what_was_written_beside_it(
    home: Home,
) -> None:
    home.published.mkdir()
    (home.published / "bi.duckdb").write_bytes(b"of a program that made no links")
    (home.published / "bi.duckdb.wal").write_bytes(b"written by a reader")
    publish_tables(home.warehouse, home.published)
    with duckdb.connect(str(home.published / "bi.duckdb"), read_only=True) as con:
        assert con.execute("from user_embeddings limit 1").fetchall()
    assert not (home.published / "bi.duckdb.wal").exists()


def test_a_publication_that_fails_changes_nothing_for_readers(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_tables(home.warehouse, home.published)
    before = {path: path.stat().st_ino for path in home.published.rglob("*")}

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("pragma_sql.warehouse.publish.os.replace", full)
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


def test_a_view_whose_file_is_gone_is_said_and_nothing_is_published(home: Home) -> None:
    (home.root / "embedding_map.parquet").unlink()
    with pytest.raises(PragmaError, match=r"views\.embedding_map cannot be read") as refusal:
        publish_tables(home.warehouse, home.published)
    assert refusal.value.next_step == "pragma build --select models+"
    assert list(home.published.iterdir()) == []


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
