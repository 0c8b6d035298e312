"""Entries of mapping.yml -> SQL expressions over the columns of their table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pragma_sql.datasets.from_clause import column, fill_template
from pragma_sql.datasets.mapping import RESERVED_KEYS, Picked, Rows
from pragma_sql.datasets.user_tables import Found, UserTables
from pragma_sql.formats.errors import PragmaError

NESTED = re.compile(r"BLOB|BIT|(STRUCT|MAP|UNION).*|.*\]")


def look(tables: UserTables, rows: Rows) -> Found:
    """The table that a section of mapping.yml names, with its condition.

    Raises:
        PragmaError: the table is missing or cannot be read, or `where` is not a condition.
    """
    found = tables.find(rows)
    return replace(
        found, where=condition(tables, found, "where", rows.where), distinct=rows.distinct
    )


def scalar(found: Found, key: str, text: str) -> exp.Expr:
    """A column of the table, else SQL over its columns, with every name quoted.

    Raises:
        PragmaError: a column is missing (the closest name is shown), or it is not SQL of one value.
    """
    known = {name.lower(): name for name in found.columns}
    if text.lower() in known:
        return column(known[text.lower()])
    tree = _parse_expression(found, key, text)
    for node in tree.walk():
        node.pop_comments()
    for reference in list(tree.find_all(exp.Column)):
        head, *rest = reference.parts
        if head.name.lower() not in known:
            raise _no_column(found, key, head.name if rest else text, reference.name)
        whole: exp.Expr = column(known[head.name.lower()])
        for part in rest:
            whole = exp.Dot(this=whole, expression=exp.to_identifier(part.name, quoted=True))
        tree = whole if reference is tree else (reference.replace(whole), tree)[1]
    return tree


def condition(tables: UserTables, found: Found, key: str, text: str) -> exp.Expr | None:
    """A condition on a row as SQL; None for an empty text."""
    if not text:
        return None
    tree = scalar(found, key, text)
    kind = tables.type_of(found, tree, key)
    if kind != "BOOLEAN":
        raise PragmaError(
            f"mapping.yml: {found.place}.{key}: {text} is {kind}, not true or false",
            "write a condition, such as amount < 0",
        )
    return tree


def field_map(found: Found, picked: Picked, parts: Iterable[exp.Expr], key: str) -> exp.Expr:
    """The fields as a map without nulls; columns in `parts` do not become fields."""
    taken = {part.name.lower() for part in parts if isinstance(part, exp.Column)}
    chosen = fields(found, picked, taken, key)
    if not chosen:
        return fill_template("cast(map() as map(varchar, varchar))")
    entries = [
        fill_template(
            "{'key': $name, 'value': cast($value as varchar)}",
            name=exp.Literal.string(name),
            value=value,
        )
        for name, value in chosen.items()
    ]
    return fill_template(
        "map_from_entries(list_filter($entries, lambda field: field.value is not null))",
        entries=exp.Array(expressions=entries),
    )


def check_query(tables: UserTables, found: Found, columns: Sequence[exp.Expr]) -> exp.Select:
    """A query of these columns of a table, after DuckDB has planned it."""
    query = found.select(*columns)
    tables.check(found.place, query)
    return query


def fields(found: Found, picked: Picked, taken: set[str], key: str) -> dict[str, exp.Expr]:
    """Field name -> expression, by default all columns that are not `taken` (lower case).

    Raises:
        PragmaError: a column is missing, holds more than one value, or has a reserved name.
    """
    if picked.listed is None:
        known = {name.lower(): name for name in found.columns}
        for name in (*picked.left_out, *picked.renamed):
            if name.lower() not in known:
                raise _no_column(
                    found, "except" if name in picked.left_out else "rename", name, name
                )
        taken = taken | {name.lower() for name in picked.left_out}
        renamed = {name.lower(): new for name, new in picked.renamed.items()}
        chosen: dict[str, exp.Expr] = {
            renamed.get(name.lower(), name): column(name)
            for name in found.columns
            if name.lower() not in taken
        }
    else:
        chosen = {name: scalar(found, key, text) for name, text in picked.listed.items()}
    for name, value in chosen.items():
        kind = found.columns.get(value.name, "") if isinstance(value, exp.Column) else ""
        if name in RESERVED_KEYS or not name.strip():
            raise PragmaError(
                f"mapping.yml: {found.place}: the field name {name!r} is reserved",
                f"give it another, with `rename: {{{name}: ...}}`, or leave it out",
            )
        if NESTED.fullmatch(kind):
            raise PragmaError(
                f"mapping.yml: {found.place}: the column {name} is {kind}, not one value",
                f"leave it out (`except: [{name}]`), or list a part of it as a field",
            )
    return chosen


def _parse_expression(found: Found, key: str, text: str) -> exp.Expr:
    try:
        statements = sqlglot.parse(text, read="duckdb")
    except SqlglotError:
        raise _no_column(found, key, text, text) from None
    tree = statements[0]
    whole = (exp.Alias, exp.Command, exp.DDL, exp.Query)
    if len(statements) != 1 or tree is None or isinstance(tree, whole):
        raise _no_column(found, key, text, text)
    if tree.find(exp.Query, exp.Placeholder, exp.Parameter):
        raise PragmaError(
            f"mapping.yml: {found.place}.{key}: {text} asks another query",
            "write the whole table as `sql: select ...`",
        )
    return tree


def _no_column(found: Found, key: str, text: str, name: str) -> PragmaError:
    known = {column.lower(): column for column in found.columns}
    near = get_close_matches(text.lower(), known, 1) or get_close_matches(name.lower(), known, 1)
    shown = text if name in text else name
    return PragmaError(
        f"mapping.yml: {found.place}.{key}: there is no column {shown} in {found.name}",
        f"did you mean {known[near[0]]}?" if near else f"it has {', '.join(found.columns)}",
    )
