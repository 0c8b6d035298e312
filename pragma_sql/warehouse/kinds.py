"""The kinds of a new fit, the doubtful ones first, with the overrides that would change them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pragma_sql.datasets.scaffold import OVERRIDES
from pragma_sql.formats.errors import count_of
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.connection import open_warehouse

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunResult

SHOWN = 20
"""Most doubtful keys that are shown, and most characters of a key."""
WIDTH = 40


class Kind(NamedTuple):
    """A row of fit.fields."""

    key: str
    kind: str
    reason: str
    otherwise: str | None
    """Another kind that the key may have, if it is doubtful."""
    doubt: str | None


def show_kinds(
    results: Sequence[RunResult], home: Home, folder: Path, dataset: str, progress: Console | None
) -> None:
    """Print the kinds if this build made the fit.

    Args:
        results: the results of dbt, model by model.
        home: the home of the warehouse.
        folder: the dbt project, whose seed overrides kinds.
        dataset: the dataset that a new override applies to, if several share the seed; else empty.
        progress: prints the kinds; None prints nothing.
    """
    fitted = [result.node.schema for result in results if _was_fitted(result)]
    if progress is not None and fitted:
        kinds = kinds_of(home.warehouse, fitted[0])
        if kinds:
            progress.print(kinds_table(kinds, fitted[0]))
            for line in advice(kinds, folder / OVERRIDES, dataset):
                progress.print(line, soft_wrap=True, highlight=False, markup=False)


def _was_fitted(result: RunResult) -> bool:
    return (
        result.node.name == "fields"
        and result.status == "success"
        and not str(result.message).startswith("FROZEN")
    )


def kinds_of(warehouse: Path, schema: str = "fit") -> list[Kind]:
    """The keys of the fit without the reserved ones: doubtful keys first, then by frequency.

    Args:
        warehouse: the DuckDB file.
        schema: the schema of the fit; a candidate has a schema of its own.
    """
    with open_warehouse(warehouse) as con:
        rows = (
            con.table(f"{schema}.fields")
            .filter("key not in ('source', 'milestone')")
            .order("doubtful desc, n desc, key")
            .project("key, kind, reason, otherwise, doubt")
            .fetchall()
        )
    return [Kind(*row) for row in rows]


def kinds_table(kinds: Sequence[Kind], schema: str = "fit") -> Table:
    """A row for each doubtful key with the evidence for and against, then a row per kind."""
    doubtful = [kind for kind in kinds if kind.doubt]
    table = Table(title=f"kinds: {count_of(len(kinds), 'key')}", title_justify="left")
    for name in ("kind", "keys", "why"):
        table.add_column(name, no_wrap=name == "kind", overflow="fold")
    for kind in doubtful[:SHOWN]:
        why = f"{kind.reason.partition(':')[0]}; {kind.doubt}"
        table.add_row(f"{kind.kind}?", Text(_short(kind.key)), Text(why))
    if len(doubtful) > SHOWN:
        rest = f"and {len(doubtful) - SHOWN} more"
        query = Text(" ".join(("select key, doubt from", f"{schema}.fields where doubtful")))
        table.add_row("?", Text(rest), query)
    table.add_section()
    for name in sorted({kind.kind for kind in kinds}):
        sure = [_short(kind.key) for kind in kinds if kind.kind == name and not kind.doubt]
        if sure:
            table.add_row(name, Text(", ".join(sure)))
    return table


def advice(kinds: Sequence[Kind], overrides: Path, dataset: str) -> list[str]:
    """The lines of the seed that would give each doubtful key the other kind."""
    doubtful = [kind for kind in kinds if kind.otherwise][:SHOWN]
    if not doubtful:
        return []
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerows((kind.key, kind.otherwise, "", dataset) for kind in doubtful)
    return [
        f"To take one for the other kind, add its line to {overrides} and build with --refit:",
        *lines.getvalue().splitlines(),
    ]


def _short(key: str) -> str:
    line = " ".join(key.split()) or repr(key)
    return line if len(line) <= WIDTH else f"{line[:WIDTH]}..."
