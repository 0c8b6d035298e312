"""What a new fit took each key for, the doubtful ones first, with the lines that say otherwise."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pragma_sql.formats.errors import counted
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.connection import opened

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunResult

OVERRIDES = Path("seeds") / "field_overrides.csv"
SHOWN = 20
"""So many doubtful keys are shown; of longer keys so many characters."""
WIDTH = 40


class Kind(NamedTuple):
    """A row of fit.fields."""

    key: str
    kind: str
    reason: str
    otherwise: str | None
    """What it may be instead, where it is doubtful."""
    doubt: str | None


def show_kinds(
    results: Sequence[RunResult], home: Home, folder: Path, dataset: str, progress: Console | None
) -> None:
    """Print the kinds where this build fitted them.

    Args:
        results: of dbt, model by model.
        home: whose warehouse was built.
        folder: the dbt project, whose seed overrides kinds.
        dataset: the only dataset that a line is meant for, where several share the seed; else empty.
        progress: where to; nothing is said without it.
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
    """The keys of the fit but the reserved ones: doubtful ones first, then those seen most.

    Args:
        warehouse: its file.
        schema: where the fit lies; a refit beside one in force lies in another.
    """
    with opened(warehouse) as con:
        rows = (
            con.table(f"{schema}.fields")
            .filter("key not in ('source', 'milestone')")
            .order("doubtful desc, n desc, key")
            .project("key, kind, reason, otherwise, doubt")
            .fetchall()
        )
    return [Kind(*row) for row in rows]


def kinds_table(kinds: Sequence[Kind], schema: str = "fit") -> Table:
    """A row for each doubtful key with what speaks for it and against it, then a row a kind."""
    doubtful = [kind for kind in kinds if kind.doubt]
    table = Table(title=f"kinds: {counted(len(kinds), 'key')}", title_justify="left")
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
    """The lines of the seed that would give each doubtful key its other kind."""
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
