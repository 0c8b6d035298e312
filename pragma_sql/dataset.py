"""Which dataset a warehouse holds, so that a build need not be told again.

The row in `contract.dataset` is written by dbt (`macros/dataset.sql`), which also refuses another
dataset; this module reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pragma_sql.errors import PragmaError
from pragma_sql.home import Home
from pragma_sql.user_project import project_vars
from pragma_sql.warehouse import is_fitted, opened


@dataclass(frozen=True)
class Dataset:
    """The row of `contract.dataset`."""

    kind: str
    """folder, project or purchase_cards"""
    name: str
    root: str
    """Absolute path of the folder or the project; empty for the purchase cards."""
    mapping: str
    """MD5 of mapping.yml; empty where there is none."""


@dataclass(frozen=True)
class Source:
    """What a build is told to read."""

    contract: Path | None
    project: Path | None
    pairs: Sequence[str]
    """Vars, NAME=VALUE."""


def source_of(home: Home, asked: Source) -> Source:
    """What is asked for, else the dataset that the warehouse remembers.

    Raises:
        PragmaError: nothing is asked for, and the warehouse remembers nothing, or what it remembers
            is not there.
    """
    held = dataset_of(home.warehouse)
    if asked.contract or asked.project or any(p.startswith("book=") for p in asked.pairs):
        if held is not None:
            _check_name(held, asked, home)
        return asked
    if held is None:
        raise PragmaError(
            f"no dataset is named, and {home.root} remembers none",
            "give --contract FOLDER, or --project FOLDER (`pragma init` makes one); "
            "the purchase cards are built by `pragma demo`",
        )
    option = "project" if held.kind == "project" else "contract"
    if held.root and not Path(held.root).is_dir():
        raise PragmaError(
            f"{home.root} holds the dataset {held.name}, and {held.root} is not there any more",
            f"give the place that it has moved to: --{option} FOLDER",
        )
    if held.kind == "project":
        return Source(None, Path(held.root), asked.pairs)
    if held.kind == "folder":
        return Source(Path(held.root), None, asked.pairs)
    return Source(None, None, [f"book={held.name}", *asked.pairs])


def _check_name(held: Dataset, asked: Source, home: Home) -> None:
    """Raise where another dataset is asked for than the one whose fit the warehouse has.

    What has the same name in another place is left to dbt.
    """
    if asked.project is not None and (asked.project / "dbt_project.yml").is_file():
        kind, name = "project", str(project_vars(asked.project).get("book", ""))
    elif asked.contract is not None:
        kind, name = "folder", asked.contract.resolve().name
    else:
        return
    with opened(home.warehouse) as con:
        fitted = is_fitted(con)
    if fitted and (kind, name) != (held.kind, held.name):
        at = f" ({held.root})" if held.root else ""
        raise PragmaError(
            f"{home.root} holds the dataset {held.name}{at}, not {name}",
            "build the other into a warehouse of its own: pragma build --home NEW "
            f"--{'project' if asked.project else 'contract'} {asked.project or asked.contract}",
        )


def dataset_of(warehouse: Path) -> Dataset | None:
    """What the warehouse remembers; None where there is no warehouse, or one that does not say."""
    if not warehouse.is_file():
        return None
    with opened(warehouse) as con:
        try:
            rows = con.execute("select kind, name, root, mapping from contract.dataset").fetchall()
        except duckdb.CatalogException:
            return None
    return Dataset(*rows[0]) if rows else None
