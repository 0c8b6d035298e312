"""Tables of results for people to read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from pragma_sql.formats.shards import SPLITS, Shards
from pragma_sql.warehouse.publish import Published

Cell = str | int | float | bool | None | list[float] | Mapping[str, object]

MAX_LIST, MAX_MAP = 4, 12
"""Most values of a list and of a map that a cell shows."""


def cell(value: Cell) -> str:
    """A value as the text of a cell: grouped thousands, short floats, long lists and maps cut.

    >>> cell({"amount": "5", "mcc": "5411"}), cell([1.5, 2.25])
    ('{amount: 5, mcc: 5411}', '[1.5, 2.25]')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, list | tuple):
        return f"[{_join_list([_inner(item) for item in value], MAX_LIST)}]"
    if isinstance(value, dict):
        return f"{{{_join_list([f'{key}: {_inner(it)}' for key, it in value.items()], MAX_MAP)}}}"
    return str(value)


def _inner(value: Cell) -> str:
    return "null" if value is None else cell(value)


def _join_list(shown: Sequence[str], most: int) -> str:
    rest = [f"... {len(shown)} in all"] if len(shown) > most else []
    return ", ".join([*shown[:most], *rest])


def rows_of(table: pa.Table) -> list[dict[str, Cell]]:
    """The rows of an Arrow table, with maps as dicts."""
    rows: list[dict[str, Cell]] = table.to_pylist(maps_as_pydicts="strict")
    return rows


def json_of(table: pa.Table) -> str:
    """An Arrow table's rows as JSON: maps are objects, moments text, NaN and infinity null."""
    return json.dumps([_plain(row) for row in rows_of(table)], default=str)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_of(rows: pa.Table, title: str | None = None) -> Table:
    """Any Arrow table, with numbers aligned right."""
    table = Table(title=title, title_justify="left")
    for field in rows.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        table.add_column(field.name, justify="right" if number else "left", overflow="fold")
    for row in rows_of(rows):
        table.add_row(*(cell(value) for value in row.values()))
    return table


def checks_table(checks: pa.Table) -> Table:
    """Rows of `contract.checks`: each rule, its violations and, if there are any, the fix."""
    table = Table(title="contract", title_justify="left", show_lines=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("result")
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("example and fix", overflow="fold")
    for row in checks.to_pylist():
        found = f"{row['example']}\nfix: {row['fix']}".strip()
        table.add_row(
            row["rule"],
            "passed" if row["passed"] else row["severity"],
            f"{row['rows']:,} of {row['total']:,}",
            "" if row["passed"] else Text(found),
            end_section=not row["passed"],
        )
    return table


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str) -> Table:
    """Rows of cells: the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    return table


def shards_table(shards: Shards) -> Table:
    """Users, events and tokens of each split."""
    count = shards.manifest.count
    rows: list[list[Cell]] = [
        [split, count("users", split), count("events", split), count("tokens", split)]
        for split in SPLITS
    ]
    title = f"shards as of {shards.manifest.as_of} in {shards.path}"
    return plain_table(["split", "users", "events", "tokens"], rows, title)


def published_table(published: Sequence[Published]) -> Table:
    """The number of rows of each published relation, and the folder of its files."""
    table = Table(title="published", title_justify="left")
    table.add_column("view")
    table.add_column("rows", justify="right")
    table.add_column("files", overflow="fold")
    for each in published:
        table.add_row(each.name, f"{each.rows:,}", str(each.folder))
    return table
