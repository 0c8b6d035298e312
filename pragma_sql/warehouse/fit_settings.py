"""The settings of the fit compared with those of a build: a frozen fit ignores differences."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import duckdb
import yaml

from pragma_sql.datasets.dataset import Variables, default_vars
from pragma_sql.formats.errors import PragmaError, count_of
from pragma_sql.formats.paths import DBT_PROJECT
from pragma_sql.datasets.scaffold import OVERRIDES
from pragma_sql.datasets.user_project import project_vars
from pragma_sql.warehouse.connection import is_fitted, open_warehouse

Settings = Mapping[str, str]
"""Name of a var, or `field_overrides.csv: <key>` -> its value as text, which is not empty."""

OVERRIDE = "field_overrides.csv: "
MOVED = "refit_until"
REFIT_ADVICE = "make a new fit with `pragma build --refit`, or put back what it was made with"


def made_with(warehouse: Path) -> Settings | None:
    """The rows of `fit.settings`; None before the first fit, or if the fit has no record.

    The fit of a failed first build counts as not made yet.
    """
    if not warehouse.is_file():
        return None
    try:
        with open_warehouse(warehouse) as con:
            if not is_fitted(con):
                return None
            rows = con.execute("select kind, name, value from fit.settings").fetchall()
    except (PragmaError, duckdb.CatalogException):  # dbt reports who has the file open
        return None
    named = {OVERRIDE + name if kind == "override" else name: value for kind, name, value in rows}
    return named or None


def asked_for(made: Settings, variables: Variables, project: Path | None) -> Settings:
    """The settings of a build: the vars that the fit was made with, and all overrides."""
    own = project_vars(project) if project else {}
    asked = {**default_vars(), **own, **variables}
    overrides = _overrides(project or DBT_PROJECT, str(asked["dataset"]))
    return {**{name: _text(asked[name]) for name in made if name in asked}, **overrides}


def remember_vars(made: Settings | None) -> Variables:
    """The vars that the fit was made with, if they differ from the defaults.

    A dataset without a project has no other place that keeps them.
    """
    defaults = default_vars()
    return {
        name: value if isinstance(defaults[name], str) else yaml.safe_load(value)
        for name, value in (made or {}).items()
        if name in defaults and name != MOVED and value != _text(defaults[name])
    }


def differences(made: Settings | None, variables: Variables, project: Path | None) -> list[str]:
    """A line for each setting that differs between the fit and what is asked for now.

    >>> differences(None, {}, None)
    []
    """
    if made is None:
        return []
    asked = asked_for(made, variables, project)
    names = sorted({*asked, *(name for name in made if name.startswith(OVERRIDE))} - {MOVED})
    return [
        f"{name}: the fit was made with {_said(made.get(name))}, asked for is "
        f"{_said(asked.get(name))}"
        for name in names
        if made.get(name, "") != asked.get(name, "")
    ]


def ignored_settings_error(lines: list[str]) -> PragmaError:
    """The error for settings that the fit ignores."""
    what = f"{count_of(len(lines), 'setting')} of the fit would be others today, and are ignored"
    return PragmaError("\n  ".join([what, *lines]), REFIT_ADVICE)


def _overrides(project: Path, dataset: str) -> Settings:
    path = project / OVERRIDES
    if not path.is_file():
        return {}
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if (row.get("dataset") or row.get("book") or dataset) == dataset and row.get("key"):
                static = (row.get("static") or "").lower() in ("true", "t", "1", "yes")
                parts = [row.get("kind") or "", "static" if static else ""]
                found[OVERRIDE + row["key"]] = ", ".join(part for part in parts if part)
    return found


def _text(value: object) -> str:
    """A value as text, in the form of the macro `setting_text`."""
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _said(value: str | None) -> str:
    return value or "nothing"
