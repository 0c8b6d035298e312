"""`pragma publish`: the embedding tables as parquet, and a small database of views over them.

Readers open `bi.duckdb` and never the warehouse, which its writer locks.

    published/bi.duckdb   published/<version>/<table>/**/*.parquet
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from sqlglot import exp

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import glob_literal
from pragma_sql.datasets.from_clause import column, fill_template, to_sql
from pragma_sql.warehouse.connection import open_warehouse

DATABASE = "bi.duckdb"
MAX_VERSIONS = 2
"""Versions that are kept: the new one, and the one that readers may still have open."""


@dataclass(frozen=True)
class Publication:
    """A relation that is published, and how its files are partitioned."""

    relation: str
    partitions: Sequence[str] = ()
    """Columns that partition the files into folders."""
    month_of: str = ""
    """A column whose month also partitions the files."""
    users: bool = True
    """Whether the rows belong to users."""

    @property
    def name(self) -> str:
        """The name of the relation for readers."""
        return self.relation.rpartition(".")[2]


PUBLICATIONS = (
    Publication("vectors.user_embeddings", ("model_id", "month"), "as_of"),
    Publication("vectors.latest_embeddings", ("model_id",)),
    Publication("vectors.user_forecasts", ("model_id",)),
    Publication("views.similar_users"),
    Publication("views.embedding_map"),
    Publication("views.embedding_drift", users=False),
    Publication("views.user_features"),
)


@dataclass(frozen=True)
class Published:
    """One relation of a version: its number of rows and the folder of its files."""

    name: str
    rows: int
    folder: Path


def publish_tables(warehouse: Path, folder: Path, *, at_once: bool = False) -> list[Published]:
    """Write a new version beside the old one and activate it; returns its relations.

    `bi.duckdb` is replaced in one step. A reader that has it open keeps reading the old version
    until the next publication, or the new one at once if a user is gone from it.

    Args:
        warehouse: the DuckDB file.
        folder: the folder of the versions and of `bi.duckdb`, whose views hold its path, so it must
            be the path that readers use.
        at_once: whether readers of the old version switch to the new one at once in any case.

    Raises:
        PragmaError: there are no vectors yet, a relation is missing, or the warehouse is being
            written. Readers see no change then.
    """
    folder = folder.resolve()
    with open_warehouse(warehouse) as con:
        _check(con)
        folder.mkdir(parents=True, exist_ok=True)
        version = folder / datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        draft = folder / f".{version.name}.draft"
        try:
            rows, types = {}, {}
            for each in PUBLICATIONS:
                rows[each.name] = _write(con, each, draft / each.name)
                types[each.name] = _types(con, each.relation)
            draft.rename(version)
            _replace_database(folder, version, types)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            _remove(version)
            raise
        at_once = at_once or _users_are_gone(con, folder, version)
    forget_old(folder, at_once=at_once)
    return [Published(name, count, version / name) for name, count in rows.items()]


def _check(con: duckdb.DuckDBPyConnection) -> None:
    there = {
        name
        for (name,) in con.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " union all select schema_name || '.' || view_name from duckdb_views()"
        ).fetchall()
    }
    missing = [each.relation for each in PUBLICATIONS if each.relation not in there]
    if missing:
        raise PragmaError(f"the warehouse has no {', '.join(missing)}", "pragma build")
    if not con.execute("from vectors.user_embeddings limit 1").fetchall():
        raise PragmaError(
            "vectors.user_embeddings holds no vectors yet",
            "pragma register RUN, then pragma build --select models+",
        )


def _write(con: duckdb.DuckDBPyConnection, publication: Publication, folder: Path) -> int:
    """Write one relation as parquet files below the folder; returns its number of rows."""
    folder.mkdir(parents=True)
    schema, _, name = publication.relation.partition(".")
    rows = exp.select("*").from_(exp.table_(name, db=schema))
    if publication.month_of:
        month = fill_template("strftime($moment, '%Y-%m')", moment=column(publication.month_of))
        rows = rows.select(exp.alias_(month, "month"))
    options = ["format parquet", "compression zstd"]
    try:
        counted = exp.select("count(*)").from_(rows.subquery("counted"))
        (count,) = con.execute(to_sql(counted)).fetchall()[0]
        # An empty relation has no partitions, but readers need one file to see its columns.
        cut_up = publication.partitions and count
        options += [f"partition_by ({', '.join(publication.partitions)})"] if cut_up else []
        path = exp.Literal.string(str(folder if cut_up else folder / "part-0.parquet"))
        con.execute(f"copy ({to_sql(rows)}) to {to_sql(path)} ({', '.join(options)})")
    except (duckdb.IOException, duckdb.CatalogException) as error:
        what = " ".join(str(error).split())
        raise PragmaError(
            f"{publication.relation} cannot be read: {what}", "pragma build --select models+"
        ) from None
    return int(count)


def _types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """The columns of a relation and their types, in order."""
    described = con.execute(f"describe {relation}").fetchall()
    return {name: kind for name, kind, *_ in described}


def _replace_database(folder: Path, version: Path, types: dict[str, dict[str, str]]) -> None:
    """Write the views into a new file and point `bi.duckdb` at it."""
    draft = folder / f".{version.name}.duckdb"
    draft.unlink(missing_ok=True)
    try:
        with duckdb.connect(str(draft)) as con:
            con.execute(
                "create table published as select $version as version", {"version": version.name}
            )
            for name, columns in types.items():
                files = exp.Literal.string(str(_pattern(version / name)))
                source = fill_template("read_parquet($files, hive_types_autocast = false)", files=files)
                typed = [
                    exp.alias_(exp.cast(column(each), kind, dialect="duckdb"), each, quoted=True)
                    for each, kind in columns.items()
                ]
                query = exp.select(*typed).from_(source)
                con.execute(f"create view {name} as {to_sql(query)}")
                width = _width(columns)
                if width:
                    flat: list[exp.Expr] = [column(each) for each in columns if each != "embedding"]
                    flat += [fill_template(f"embedding[{i}]").as_(f"e{i}") for i in range(1, width + 1)]
                    query = exp.select(*flat).from_(name)
                    con.execute(f"create view {name}_flat as {to_sql(query)}")
        own = _database_of(version)
        os.replace(draft, own)
        link = folder / f".{version.name}.link"
        try:
            link.symlink_to(own.name)
        except OSError:  # a file system without links
            shutil.copyfile(own, link)
        os.replace(link, folder / DATABASE)
        (folder / f"{DATABASE}.wal").unlink(missing_ok=True)
    finally:
        draft.unlink(missing_ok=True)


def _database_of(version: Path) -> Path:
    """The file of a version that `bi.duckdb` links to.

    DuckDB follows the link. If a reader opens the database to write, its changes and write-ahead
    log stay with this version and are not replayed into the next one.
    """
    return version.with_name(f"bi-{version.name}.duckdb")


def _pattern(folder: Path) -> Path:
    """A pattern for all files below a folder, whose own name is escaped."""
    return Path(glob_literal(folder)) / "**" / "*.parquet"


def _width(columns: dict[str, str]) -> int:
    """The width of a column `embedding` of fixed width, else 0."""
    kind = columns.get("embedding", "")
    return int(kind[len("FLOAT[") : -1] or 0) if kind.startswith("FLOAT[") else 0


def _users_are_gone(con: duckdb.DuckDBPyConnection, folder: Path, version: Path) -> bool:
    """Whether an older version holds a user who is not in the new one."""
    older = [path for path in _versions(folder)[:-1] if not path.is_symlink()]
    users = "select user_id from read_parquet($files, union_by_name = true)"
    named = [each.name for each in PUBLICATIONS if each.users]
    new = [str(_pattern(version / name)) for name in named]
    for path in older:
        held = [str(_pattern(path / name)) for name in named if (path / name).is_dir()]
        query = f"{users} except {users.replace('files', 'new')} limit 1"
        if held and con.execute(query, {"files": held, "new": new}).fetchall():
            return True
    return False


def forget_old(folder: Path, *, at_once: bool) -> None:
    """Remove all versions but the last, and drafts of publications that were killed.

    The version before the last stays for readers that have it open. With `at_once`, or at the next
    publication, it becomes a link to the last version, so that these readers continue with that.
    """
    *old, last = _versions(folder) or [folder]
    for path in folder.glob(".*"):
        if path.suffix in (".draft", ".old"):
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".link":
            path.unlink(missing_ok=True)
    for path in old[: 1 - MAX_VERSIONS]:
        _remove(path)
    for path in old[1 - MAX_VERSIONS :]:
        if at_once and not path.is_symlink():
            aside = folder / f".{path.name}.old"
            path.rename(aside)
            with suppress(OSError):  # a file system without links
                path.symlink_to(last.name, target_is_directory=True)
            shutil.rmtree(aside, ignore_errors=True)


def _versions(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0].isdigit())


def _remove(version: Path) -> None:
    """Remove a version with its database and what a reader wrote beside it."""
    for path in version.parent.glob(f"{_database_of(version).name}*"):
        path.unlink(missing_ok=True)
    if version.is_symlink():
        version.unlink(missing_ok=True)
    else:
        shutil.rmtree(version, ignore_errors=True)
