"""A user's dbt project: the checks before it is built, its vars and its package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from pragma_sql.datasets.columns import look
from pragma_sql.datasets.leaks import leaks
from pragma_sql.datasets.managed_file import inspect
from pragma_sql.datasets.mapping_file import read_mapping
from pragma_sql.datasets.scaffold import OVERRIDES, STAGING
from pragma_sql.datasets.typed_vars import OLD_NAMES, Value
from pragma_sql.datasets.user_tables import user_tables
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import DBT_PROJECT

Vars = Mapping[str, Value]


def check_project(project: Path) -> tuple[str, ...]:
    """Raise unless the project exists, agrees with its mapping.yml, and its tables exist.

    Returns a sentence for each field that may leak the label.

    Raises:
        PragmaError: names what prevents a build.
    """
    if not (project / "dbt_project.yml").is_file():
        raise PragmaError(f"{project}: there is no dbt_project.yml", f"pragma init {project}")
    path = project / "mapping.yml"
    if not path.exists():
        return ()
    mapping = read_mapping(path)
    models = [inspect(file) for file in sorted((project / STAGING).glob("*.sql"))]
    if not models:
        raise PragmaError(f"{project / STAGING} holds no models", f"pragma init {project}")
    made = [model for model in models if model.state == "as made"]
    if any(model.mapping != mapping.digest for model in made):
        raise PragmaError(
            f"{path} has changed since the staging models were made", f"pragma init {project}"
        )
    if len(made) == len(models):
        # Edited models may read other tables.
        with user_tables(project, mapping.databases) as tables:
            for rows in mapping.tables():
                look(tables, rows)
            return tuple(said for said in leaks(mapping, tables) if said.startswith("warning"))
    return ()


def project_vars(project: Path) -> Vars:
    """The vars that the project's own dbt_project.yml sets.

    Raises:
        PragmaError: the file cannot be read.
    """
    return {
        OLD_NAMES.get(name, name): value
        for name, value in _declared(project).items()
        if not isinstance(value, dict | list)
    }


def old_names(project: Path) -> tuple[str, ...]:
    """A sentence for each var, word of mapping.yml and column that the project calls as before."""
    settings, mapping, seed = (
        project / name for name in ("dbt_project.yml", "mapping.yml", OVERRIDES)
    )
    found = [(settings, name, new) for name, new in OLD_NAMES.items() if name in _declared(project)]
    if mapping.is_file() and re.search(r"\bas_of:\s*book_end\b", mapping.read_text("utf-8")):
        found.append((mapping, "book_end", "dataset_end"))
    if seed.is_file() and "book" in seed.read_text("utf-8").partition("\n")[0].strip().split(","):
        found.append((seed, "book", "dataset"))
    return tuple(f"note: {path}: {old} is called {new} now" for path, old, new in found)


def _declared(project: Path) -> Vars:
    path = project / "dbt_project.yml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(name): value for name, value in (content.get("vars") or {}).items()}
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        raise PragmaError(f"{path}: {' '.join(str(error).split())}", "fix the YAML") from None


def check_cut(variables: Vars) -> None:
    """Raise unless the cut-off of the fit is a date or empty."""
    chosen = str(variables.get("fit_until") or "")
    if chosen and not re.match(r"\d{4}-\d\d-\d\d", chosen):
        raise PragmaError(
            f"dbt_project.yml: the var fit_until is {chosen!r}, not a date",
            "choose a moment before those that you ask about, such as 2024-01-01, or none",
        )


def package_of(project: Path) -> Path | None:
    """The package that has yet to be installed; None if `dbt deps` has been run.

    Raises:
        PragmaError: packages.yml does not lead to pragma's dbt project.
    """
    path = project / "packages.yml"
    try:
        packages = yaml.safe_load(path.read_text(encoding="utf-8"))["packages"]
        (local,) = [Path(entry["local"]) for entry in packages if "local" in entry]
    except (FileNotFoundError, yaml.YAMLError, KeyError, TypeError, ValueError):
        raise PragmaError(
            f"{path} names no local package", f"write there: packages: [{{local: {DBT_PROJECT}}}]"
        ) from None
    package = (project / local).resolve()
    if not (package / "dbt_project.yml").is_file():
        raise PragmaError(
            f"{path}: {package} is no dbt project", f"write there: local: {DBT_PROJECT}"
        )
    installed = project / "dbt_packages" / "pragma"
    return None if installed.resolve() == package else package
