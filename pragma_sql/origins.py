"""What stands in FROM: the files, the table or the query that mapping.yml names."""

from __future__ import annotations

from pathlib import Path

import sqlglot
from sqlglot import exp

from pragma_sql.errors import PragmaError
from pragma_sql.mapping import Rows
from pragma_sql.sqltext import FOLDER, filled, literals

PARQUET = (".parquet", ".pq")
CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")


def kind_of(rows: Rows) -> str:
    kinds = set()
    for name in rows.files:
        lower = name.lower()
        if not lower.endswith((*PARQUET, *CSV)):
            raise PragmaError(
                f"mapping.yml: {rows.place}.files: {name} is neither parquet nor csv by its name",
                f"name files or patterns that end in {', '.join((*PARQUET, *CSV[:4]))}",
            )
        kinds.add("parquet" if lower.endswith(PARQUET) else "csv")
    if len(kinds) > 1:
        raise PragmaError(
            f"mapping.yml: {rows.place}.files: parquet and csv are mixed", "make two tables of them"
        )
    return kinds.pop()


def reader(files: tuple[str, ...], kind: str) -> exp.Expr:
    """`read_parquet(...)`, or `read_csv(...)` with every column as the text that is in the file."""
    many = len(files) > 1
    paths = [located(name) for name in files]
    named = literals(paths) if many else exp.Literal.string(paths[0])
    options = ["all_varchar = true, header = true"] if kind == "csv" else []
    options += ["union_by_name = true"] if many or "*" in files[0] else []
    template = ", ".join(["$files", *options])
    query = filled(f"select * from read_{kind}({template})", files=named)  # noqa: S608
    table = query.find(exp.Table)
    assert table is not None
    return table


def query_of(rows: Rows) -> exp.Expr:
    try:
        statements = sqlglot.parse(rows.sql, read="duckdb")
    except sqlglot.ParseError as error:
        what = str(error).splitlines()[0]
        raise PragmaError(f"mapping.yml: {rows.place}.sql: {what}", "mend the SQL") from None
    query = statements[0]
    if len(statements) != 1 or not isinstance(query, exp.Query):
        raise PragmaError(f"mapping.yml: {rows.place}.sql is not one SELECT", "write one SELECT")
    return query.transform(_located)


def located(path: str) -> str:
    """A path or pattern in the project's folder, where it is relative."""
    return path if "://" in path or Path(path).is_absolute() else f"{FOLDER}/{path}"


def _located(node: exp.Expr) -> exp.Expr:
    """File names of a query: `from 'a.parquet'`, and what `read_parquet` and its like are given."""
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not node.db:
        name = node.name.lower()
        for suffixes, read in ((PARQUET, "read_parquet"), (CSV, "read_csv")):
            if name.endswith(suffixes):
                node.set("this", filled(f"{read}($path)", path=exp.Literal.string(node.name)))
    elif isinstance(node, exp.Literal) and node.is_string and _is_read(node):
        node.set("this", located(node.this))
    return node


def _is_read(literal: exp.Literal) -> bool:
    """Whether a literal is the path that a function reads: its first argument, or in that list."""
    call = literal.parent.parent if isinstance(literal.parent, exp.Array) else literal.parent
    if isinstance(call, exp.Anonymous):
        return call.name.lower().startswith(("read_", "parquet_"))
    return isinstance(call, exp.ReadParquet | exp.ReadCSV)


def named(rows: Rows) -> exp.Table:
    """A table of a database, each part of its name quoted."""
    try:
        table = exp.to_table(rows.table, dialect="duckdb")
    except sqlglot.ParseError:
        raise PragmaError(
            f"mapping.yml: {rows.place}.table: {rows.table} is no name of a table",
            "write database.schema.table",
        ) from None
    for part in table.parts:
        part.set("quoted", True)
    return table
