"""The dataset that a build reads: its dbt vars, and a check of its files before dbt runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml
from rich.console import Console

from pragma_sql.datasets.sources import check_source, columns_of
from pragma_sql.datasets.typed_vars import OLD_NAMES, Value, parse_vars
from pragma_sql.datasets.user_project import (
    check_cut,
    check_project,
    old_names,
    project_vars,
)
from pragma_sql.formats.contract import EVENTS, LABEL_MOMENTS, LABELS, PROFILES, TRANSFERS
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import DATA, DBT_PROJECT, Home
from pragma_sql.warehouse.connection import is_fitted, open_warehouse

Variables = Mapping[str, Value]


def dataset_vars(
    contract: Path | None,
    pairs: Sequence[str],
    project: Path | None = None,
    console: Console | None = None,
) -> Variables:
    """The dbt vars of a build, after a check of the files that it will read.

    Args:
        contract: folder of contract parquet files; None for the dataset that the vars name.
        pairs: NAME=VALUE as typed.
        project: a user's dbt project, whose dataset is built then.
        console: gets notes about old names and about fields that may leak the label.
    """
    for name, new in OLD_NAMES.items():
        if console is not None and any(pair.startswith(f"{name}=") for pair in pairs):
            console.print(f"note: --var {name} is called {new} now", highlight=False)
    if project is not None:
        return _vars_of_project(project, contract, pairs, console)
    variables = parse_vars(pairs, default_vars())
    con = duckdb.connect()
    try:
        if contract is not None:
            _check_folder(con, contract)
            return {**variables, "dataset": "folder", "contract_dir": str(contract.resolve())}
        if variables.get("dataset", default_vars()["dataset"]) == "purchase_cards":
            _check_declared(con, variables, "purchase_cards")
    finally:
        con.close()
    return variables


def _vars_of_project(
    project: Path, contract: Path | None, pairs: Sequence[str], console: Console | None
) -> Variables:
    if contract is not None:
        raise PragmaError("--project and --contract each name a dataset", "give one of them")
    for said in (*check_project(project), *old_names(project)):
        if console is not None:
            console.print(said, highlight=False, soft_wrap=True, markup=False)
    own = project_vars(project)
    known: Variables = {**own, **default_vars()}
    variables = parse_vars(pairs, known)
    check_cut({**own, **variables})
    return variables


def _check_folder(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    if not folder.is_dir():
        raise PragmaError(
            f"--contract {folder}: no such folder", "give the folder of events.parquet"
        )
    for relation in (EVENTS, PROFILES, TRANSFERS):
        file, parts = folder / f"{relation.name}.parquet", folder / relation.name
        if file.exists() and parts.exists():
            what = f"{folder} has both {file.name} and {relation.name}/"
            raise PragmaError(what, "keep one of them")
        path = parts if parts.is_dir() else file
        if path.exists() or not relation.is_optional:
            empty = relation.is_optional
            check_source(con, path, relation.required, relation.optional, may_be_empty=empty)
    _check_labels(con, folder)


def _check_labels(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    of_all_tasks = folder / "labels.parquet"
    if of_all_tasks.exists():
        columns = _label_columns(columns_of(con, of_all_tasks))
        check_source(con, of_all_tasks, columns, LABELS.optional, may_be_empty=True)
    for file in sorted((folder / "labels").rglob("*.parquet")):
        there = columns_of(con, file)
        columns = {name: kind for name, kind in _label_columns(there).items() if name != "task"}
        # Any other file is not a label file; the macro `label_files` skips it too, and says so.
        if columns.keys() <= set(there):
            check_source(con, file, columns, LABELS.optional, may_be_empty=True)


def _label_columns(there: Sequence[str]) -> Mapping[str, str]:
    """The columns that a label file must have, given its name for the moment."""
    moment = next((name for name in LABEL_MOMENTS if name in there), LABEL_MOMENTS[0])
    kinds = {**LABELS.required, "label": "DOUBLE or BOOLEAN"}
    return {moment if name == LABEL_MOMENTS[0] else name: kind for name, kind in kinds.items()}


def _check_declared(con: duckdb.DuckDBPyConnection, variables: Variables, dataset: str) -> None:
    """Check the dataset's file against the columns that its dbt source declares."""
    declared = yaml.safe_load(
        (DBT_PROJECT / "models" / "contract" / "datasets" / dataset / "_sources.yml").read_text()
    )
    path = Path(str(variables.get(f"{dataset}_path", default_vars()[f"{dataset}_path"])))
    (table,) = declared["sources"][0]["tables"]
    columns = {column["name"]: column["data_type"].upper() for column in table["columns"]}
    check_source(con, path if path.exists() else DATA / path, columns)


def default_vars() -> Variables:
    project: dict[str, Variables] = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())
    return project["vars"]


@dataclass(frozen=True)
class Dataset:
    """The row of `contract.dataset`."""

    kind: str
    """One of folder, project and purchase_cards."""
    name: str
    root: str
    """Absolute path of the folder or the project; empty for the purchase cards."""
    mapping: str
    """MD5 of mapping.yml; empty if there is none."""


@dataclass(frozen=True)
class Source:
    """The dataset that a command asks for."""

    contract: Path | None
    project: Path | None
    pairs: Sequence[str]
    """Vars as typed, NAME=VALUE."""


def source_of(home: Home, asked: Source) -> Source:
    """The dataset asked for, else the one that the warehouse holds.

    Raises:
        PragmaError: no dataset is asked for, and the warehouse holds none, or the files of the one
            it holds are missing.
    """
    held = dataset_of(home.warehouse)
    if (
        asked.contract
        or asked.project
        or any(p.startswith(("dataset=", "book=")) for p in asked.pairs)
    ):
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
    return Source(None, None, [f"dataset={held.name}", *asked.pairs])


def _check_name(held: Dataset, asked: Source, home: Home) -> None:
    """Raise if the dataset asked for is not the one whose fit the warehouse holds.

    A dataset of the same name in another place is left to dbt.
    """
    if asked.project is not None and (asked.project / "dbt_project.yml").is_file():
        kind, name = "project", str(project_vars(asked.project).get("dataset", ""))
    elif asked.contract is not None:
        kind, name = "folder", asked.contract.resolve().name
    else:
        return
    with open_warehouse(home.warehouse) as con:
        fitted = is_fitted(con)
    if fitted and (kind, name) != (held.kind, held.name):
        at = f" ({held.root})" if held.root else ""
        raise PragmaError(
            f"{home.root} holds the dataset {held.name}{at}, not {name}",
            "build the other into a warehouse of its own: pragma build --home NEW "
            f"--{'project' if asked.project else 'contract'} {asked.project or asked.contract}",
        )


def dataset_of(warehouse: Path) -> Dataset | None:
    """The dataset that a warehouse holds; None without a warehouse or a record of its dataset."""
    if not warehouse.is_file():
        return None
    with open_warehouse(warehouse) as con:
        try:
            rows = con.execute("select kind, name, root, mapping from contract.dataset").fetchall()
        except duckdb.CatalogException:
            return None
    return Dataset(*rows[0]) if rows else None
