"""The book that a build reads: dbt vars, and a look at the source files before dbt writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import duckdb
import yaml

from pragma_sql.errors import PragmaError
from pragma_sql.project import DATA, DBT_PROJECT
from pragma_sql.sources import check_source
from pragma_sql.user_project import check_cut, check_project, project_vars

Variables = Mapping[str, str | int | float]

CONTRACT_FILES: Mapping[str, Mapping[str, str]] = {
    "events": {
        "user_id": "VARCHAR",
        "ts": "TIMESTAMP",
        "source": "VARCHAR",
        "fields": "MAP(VARCHAR, VARCHAR)",
    },
    "profiles": {
        "user_id": "VARCHAR",
        "as_of": "TIMESTAMP",
        "attributes": "MAP(VARCHAR, VARCHAR)",
        "lifelong": "STRUCT(key VARCHAR, ts TIMESTAMP)[]",
    },
    "labels": {"task": "VARCHAR", "user_id": "VARCHAR", "eval_ts": "TIMESTAMP", "label": "DOUBLE"},
    "transfers": {
        "from_user": "VARCHAR",
        "to_user": "VARCHAR",
        "ts": "TIMESTAMP",
        "amount": "DOUBLE",
    },
}
"""Columns of the contract's parquet files; labels and transfers may be absent."""


def book_of(contract: Path | None, pairs: Sequence[str], project: Path | None = None) -> Variables:
    """The dbt vars of a build, after a look at the files that it will read.

    Args:
        contract: folder of contract parquet files; None for the book that the vars name.
        pairs: NAME=VALUE as typed.
        project: a dbt project of the user's own, whose book it is then.
    """
    if project is not None:
        return _book_of_project(project, contract, pairs)
    variables = _parse(pairs, _defaults())
    con = duckdb.connect()
    try:
        if contract is not None:
            _check_folder(con, contract)
            return {**variables, "book": "folder", "contract_dir": str(contract.resolve())}
        if variables.get("book", _defaults()["book"]) == "purchase_cards":
            _check_declared(con, variables, "purchase_cards")
    finally:
        con.close()
    return variables


def _book_of_project(project: Path, contract: Path | None, pairs: Sequence[str]) -> Variables:
    if contract is not None:
        raise PragmaError("--project and --contract each name a book", "give one of them")
    check_project(project)
    own = project_vars(project)
    variables = _parse(pairs, {**_defaults(), **own})
    check_cut({**own, **variables})
    return variables


def _parse(pairs: Sequence[str], known: Variables) -> Variables:
    variables: dict[str, str | int | float] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise PragmaError(f"--var {pair}: no '='", "write it NAME=VALUE")
        if name not in known:
            near = get_close_matches(name, known, 1) or sorted(known)
            raise PragmaError(f"--var {name}: there is no such var", f"try {', '.join(near)}")
        variables[name] = yaml.safe_load(value) if isinstance(known[name], int | float) else value
    return variables


def _check_folder(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    if not folder.is_dir():
        raise PragmaError(
            f"--contract {folder}: no such folder", "give the folder of events.parquet"
        )
    for name, columns in CONTRACT_FILES.items():
        path = folder / f"{name}.parquet"
        if name in ("events", "profiles") or path.exists():
            check_source(con, path, columns)


def _check_declared(con: duckdb.DuckDBPyConnection, variables: Variables, book: str) -> None:
    """Hold the book's file against the columns that its dbt source declares."""
    declared = yaml.safe_load(
        (DBT_PROJECT / "models" / "contract" / book / f"_{book}.yml").read_text()
    )
    path = Path(str(variables.get(f"{book}_path", _defaults()[f"{book}_path"])))
    (table,) = declared["sources"][0]["tables"]
    columns = {column["name"]: column["data_type"].upper() for column in table["columns"]}
    check_source(con, path if path.exists() else DATA / path, columns)


def _defaults() -> Variables:
    project: dict[str, Variables] = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())
    return project["vars"]
