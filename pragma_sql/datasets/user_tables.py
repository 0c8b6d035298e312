"""A user's tables through DuckDB: their columns and types, and their first rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from glob import glob
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from pragma_sql.datasets.from_clause import kind_of, query_of, reader, table_of, to_sql
from pragma_sql.datasets.mapping import Rows
from pragma_sql.datasets.sources import check_source
from pragma_sql.formats.errors import PragmaError

SAMPLE = 100_000
"""Rows that are tried when a mapping is made; the checks of the contract read all rows."""


@dataclass(frozen=True)
class Found:
    """A table that exists."""

    place: str
    """The place in mapping.yml that names the table."""
    name: str
    """The name of the table for people."""
    origin: exp.Expr
    """The expression of the table in FROM."""
    columns: Mapping[str, str]
    """Column name -> DuckDB type."""
    where: exp.Expr | None = None
    """A condition on the rows to read; None for all rows."""
    distinct: bool = False

    def select(self, *columns: exp.Expr) -> exp.Select:
        """A query of these columns of the rows to read."""
        origin, where = self.origin.copy(), self.where.copy() if self.where else None
        if not self.distinct:
            query = exp.select(*columns).from_(origin)
            return query.where(where) if where else query
        rows = exp.select("*").distinct().from_(origin)
        rows = rows.where(where) if where else rows
        return exp.select(*columns).from_(rows.subquery("rows"))


class UserTables:
    """All tables that a mapping can name; paths are relative to the project's folder."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._con = con
        self._folder = folder.absolute()

    def find(self, rows: Rows) -> Found:
        """Find a table and its columns.

        Raises:
            PragmaError: it is missing or cannot be read.
        """
        if rows.files:
            kind = kind_of(rows)
            for name in rows.files:
                self._check_file(rows, name, kind)
            origin, name = reader(rows.files, kind), ", ".join(rows.files)
        elif rows.table:
            origin, name = table_of(rows), rows.table
        else:
            origin, name = (
                exp.Subquery(this=query_of(rows), alias=exp.to_identifier("rows")),
                "the query",
            )
        return Found(rows.place, name, origin, self._columns(rows, origin))

    def type_of(self, found: Found, expression: exp.Expr, key: str) -> str:
        """The DuckDB type of an expression over a table."""
        try:
            (kind,) = self._con.sql(
                self._sql(found.select(exp.alias_(expression.copy(), "value")))
            ).types
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise PragmaError(
                f"mapping.yml: {found.place}.{key}: {what}", "fix the SQL; csv columns are text"
            ) from None
        return str(kind)

    def sample(self, found: Found, query: str, **expressions: exp.Expr) -> tuple[object, ...]:
        """The only row of a query over `sample`: expressions over the first rows of a table."""
        columns = [exp.alias_(value, name) for name, value in expressions.items()]
        rows = replace(found, distinct=False).select(*columns).limit(SAMPLE)
        asked = sqlglot.parse_one(query, read="duckdb")
        assert isinstance(asked, exp.Select)
        return self.row(asked.with_("sample", as_=rows))

    def row(self, query: exp.Select) -> tuple[object, ...]:
        """The only row of a query."""
        try:
            (row,) = self._con.sql(self._sql(query)).fetchall()
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise PragmaError(f"mapping.yml: {what}", "fix the rows or the mapping") from None
        return tuple(row)

    def check(self, place: str, query: exp.Expr) -> None:
        """Raise unless DuckDB can plan a query."""
        try:
            self._con.sql(self._sql(query)).columns  # noqa: B018
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise PragmaError(f"mapping.yml: {place}: {what}", "fix the SQL there") from None

    def zone(self, place: str, name: str) -> str:
        """An IANA time zone that DuckDB knows."""
        if name not in self._zones:
            near = get_close_matches(name, self._zones, 1) or ["Europe/Prague"]
            raise PragmaError(
                f"mapping.yml: {place}: there is no time zone {name}", f"did you mean {near[0]}?"
            )
        return name

    def _sql(self, query: exp.Expr) -> str:
        return to_sql(query, str(self._folder))

    @cached_property
    def _zones(self) -> frozenset[str]:
        names = self._con.sql("select name from pg_timezone_names()").fetchall()
        return frozenset(name for (name,) in names)

    def _check_file(self, rows: Rows, name: str, kind: str) -> None:
        if "://" in name:
            return
        path = Path(os.path.normpath(self._folder / name))
        try:
            if kind == "parquet":
                check_source(self._con, path, {})
            elif not glob(str(path), recursive=True):
                raise PragmaError(f"{path}: there is no such file", "check the path")
        except PragmaError as error:
            raise PragmaError(
                f"mapping.yml: {rows.place}.files: {error.what}", error.next_step
            ) from None

    def _columns(self, rows: Rows, origin: exp.Expr) -> dict[str, str]:
        try:
            relation = self._con.sql(self._sql(exp.select("*").from_(origin.copy())))
        except duckdb.CatalogException as error:
            raise self._no_such_table(rows, error) from None
        except duckdb.Error as error:
            what = " ".join(str(error).splitlines()[:1])
            raise PragmaError(f"mapping.yml: {rows.place}: {what}", "fix it, or the file") from None
        return dict(zip(relation.columns, map(str, relation.types), strict=True))

    def _no_such_table(self, rows: Rows, error: duckdb.Error) -> PragmaError:
        what = str(error).splitlines()[0]
        there = self._con.sql(
            "select database_name || '.' || schema_name || '.' || table_name from ("
            "select database_name, schema_name, table_name from duckdb_tables() union all "
            "select database_name, schema_name, view_name from duckdb_views() where not internal)"
        ).fetchall()
        near = get_close_matches(rows.table, [name for (name,) in there], 1, cutoff=0.3)
        return PragmaError(
            f"mapping.yml: {rows.place}: {what}",
            f"did you mean {near[0]}?" if near else "name its database under `databases:`",
        )


@contextmanager
def user_tables(folder: Path, databases: Mapping[str, str]) -> Iterator[UserTables]:
    """The tables that a project can name, read-only."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        attach(con, folder, databases)
        yield UserTables(con, folder)


def attach(con: duckdb.DuckDBPyConnection, folder: Path, databases: Mapping[str, str]) -> None:
    """Attach DuckDB files, read-only; paths are relative to the folder.

    Raises:
        PragmaError: a file is missing, is not a DuckDB file, or is being written.
    """
    for name, path in databases.items():
        file = folder / path
        place = f"mapping.yml: databases.{name}"
        if not file.is_file():
            raise PragmaError(f"{place}: {file}: there is no such file", "check the path")
        quoted = exp.to_identifier(name, quoted=True).sql("duckdb")
        where = exp.Literal.string(str(file)).sql("duckdb")
        try:
            con.execute(f"attach if not exists {where} as {quoted} (read_only)")
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise PragmaError(f"{place}: {what}", "close it elsewhere, or check it") from None
