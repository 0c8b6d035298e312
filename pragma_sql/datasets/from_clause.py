"""SQL built from expressions, never from text, and written as a dbt model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlglot
from sqlglot import TokenType, exp

from pragma_sql.datasets.mapping import Rows
from pragma_sql.formats.errors import PragmaError

FOLDER = "\ue000"
"""A placeholder in paths for the project's folder, which only a build knows.

DuckDB would look for a relative path in the folder that a build is started from.
"""

AS_WRITTEN = {TokenType.STRING, TokenType.IDENTIFIER}
"""The tokens in quotes, which keep their case."""


def fill_template(template: str, **values: exp.Expr) -> exp.Expr:
    '''A template with an expression in place of each `$name`.

    >>> print(to_sql(fill_template("select $x as x", x=column('a "b"'))))
    SELECT "a ""b""" AS x
    '''
    return exp.replace_placeholders(sqlglot.parse_one(template, read="duckdb"), **values)


def select_template(template: str, **values: exp.Expr) -> exp.Select:
    """`fill_template` for a template that is a SELECT."""
    query = fill_template(template, **values)
    assert isinstance(query, exp.Select)
    return query


def column(name: str) -> exp.Column:
    """A column with its name quoted."""
    return exp.column(exp.to_identifier(name, quoted=True))


def literals(texts: Iterable[str]) -> exp.Array:
    """A list of strings."""
    return exp.Array(expressions=[exp.Literal.string(text) for text in texts])


def model(name: str) -> exp.Table:
    """A dbt model: `{{ ref('name') }}`; the name is a plain word."""
    assert name.isidentifier()
    return exp.Table(this=exp.Var(this=f"{{{{ ref('{name}') }}}}"))


def to_sql(expression: exp.Expr, folder: str = "") -> str:
    """The SQL text that DuckDB runs, for a project in a folder."""
    return expression.transform(_with_folder, folder).sql("duckdb")


def to_model(query: exp.Expr) -> str:
    """The text of a dbt model: keywords in lower case, and Jinja tags escaped."""
    safe = query.transform(_safe_for_jinja).transform(_with_folder, "{{ pragma.project_folder() }}")
    return lower_keywords(safe.sql("duckdb", pretty=True, indent=4, pad=4)) + "\n"


def chain_steps(steps: Sequence[tuple[str, exp.Query]]) -> exp.Select:
    """A query with the steps as common table expressions, which selects the last one."""
    query = exp.select("*").from_(steps[-1][0])
    for name, step in steps:
        query = query.with_(name, as_=step)
    return query


def _safe_for_jinja(node: exp.Expr) -> exp.Expr:
    """Escape braces that would open a tag; only the user's names and texts can hold them."""
    if isinstance(node, exp.Identifier) or (isinstance(node, exp.Literal) and node.is_string):
        node.set("this", re.sub(r"\{(?=[{%#])", "{% raw %}{{% endraw %}", node.this))
    return node


def _with_folder(node: exp.Expr, folder: str) -> exp.Expr:
    if isinstance(node, exp.Literal) and node.is_string:
        node.set("this", node.this.replace(FOLDER, folder))
    return node


def lower_keywords(sql: str) -> str:
    """SQL in lower case, except for text in quotes."""
    parts, end = [], 0
    for token in sqlglot.tokenize(sql, read="duckdb"):
        if token.token_type in AS_WRITTEN:
            parts.append(sql[end : token.start].lower())
            parts.append(sql[token.start : token.end + 1])
            end = token.end + 1
    return "".join([*parts, sql[end:].lower()])


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
    """`read_parquet(...)`, or `read_csv(...)` with every column read as text."""
    many = len(files) > 1
    paths = [locate_path(name) for name in files]
    written = literals(paths) if many else exp.Literal.string(paths[0])
    options = ["all_varchar = true, header = true"] if kind == "csv" else []
    options += ["union_by_name = true"] if many or "*" in files[0] else []
    template = ", ".join(["$files", *options])
    query = fill_template(f"select * from read_{kind}({template})", files=written)  # noqa: S608
    table = query.find(exp.Table)
    assert table is not None
    return table


def query_of(rows: Rows) -> exp.Expr:
    try:
        statements = sqlglot.parse(rows.sql, read="duckdb")
    except sqlglot.ParseError as error:
        what = str(error).splitlines()[0]
        raise PragmaError(f"mapping.yml: {rows.place}.sql: {what}", "fix the SQL") from None
    query = statements[0]
    if len(statements) != 1 or not isinstance(query, exp.Query):
        raise PragmaError(f"mapping.yml: {rows.place}.sql is not one SELECT", "write one SELECT")
    return query.transform(_locate_files)


def locate_path(path: str) -> str:
    """A path or pattern; a relative one is placed in the project's folder."""
    return path if "://" in path or Path(path).is_absolute() else f"{FOLDER}/{path}"


def _locate_files(node: exp.Expr) -> exp.Expr:
    """Place the file names of a query: `from 'a.parquet'` and arguments of `read_parquet`."""
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not node.db:
        name = node.name.lower()
        for suffixes, read in ((PARQUET, "read_parquet"), (CSV, "read_csv")):
            if name.endswith(suffixes):
                node.set(
                    "this", fill_template(f"{read}($path)", path=exp.Literal.string(node.name))
                )
    elif isinstance(node, exp.Literal) and node.is_string and _is_read(node):
        node.set("this", locate_path(node.this))
    return node


def _is_read(literal: exp.Literal) -> bool:
    """Whether a literal is a path that a function reads: its first argument, or in that list."""
    call = literal.parent.parent if isinstance(literal.parent, exp.Array) else literal.parent
    if isinstance(call, exp.Anonymous):
        return call.name.lower().startswith(("read_", "parquet_"))
    return isinstance(call, exp.ReadParquet | exp.ReadCSV)


def table_of(rows: Rows) -> exp.Table:
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
