"""The paths of all that the commands write: one folder, given by --home or PRAGMA_HOME."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from pragma_sql.formats.errors import PragmaError

DEFAULT = "warehouse"

UNREADABLE = ("?", "#", "{{", "{%")
"""Texts that the path of a warehouse must not hold: DuckDB inserts the name of its log before a
`?`, dbt-duckdb drops what follows a `#`, and dbt reads the braces as Jinja."""


@dataclass(frozen=True)
class Home:
    """The folder of one warehouse.

    pragma.duckdb  data_docs/  great_expectations/  shards/  runs/<run>/  bundles/<model id>/
    bundles/current  published/
    """

    root: Path

    @classmethod
    def of(cls, folder: Path | None = None, project: Path | None = None) -> Home:
        """The given folder, else PRAGMA_HOME, else `warehouse` in the project, if any, or here."""
        default = (project or Path()) / DEFAULT
        root = (folder or Path(os.environ.get("PRAGMA_HOME", default))).resolve()
        for mark in UNREADABLE:
            if mark in str(root):
                raise PragmaError(
                    f"no warehouse can lie at {root}: its path holds `{mark}`",
                    "choose another folder: --home FOLDER",
                )
        return cls(root)

    @property
    def option(self) -> str:
        """The option that names this home in a command, quoted for a shell.

        >>> Home(Path("/my data")).option
        "--home '/my data'"
        """
        return f"--home {shlex.quote(str(self.root))}"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.root / "pragma.duckdb"

    @property
    def data_docs(self) -> Path:
        """The folder of Great Expectations' pages."""
        return self.root / "data_docs"

    @property
    def suite(self) -> Path:
        """The suite of the contract, as a project of Great Expectations stores it."""
        return self.root / "great_expectations" / "expectations" / "contract.json"

    @property
    def shards(self) -> Path:
        """The folder of the exported shards."""
        return self.root / "shards"

    @property
    def runs(self) -> Path:
        """The folder of training runs."""
        return self.root / "runs"

    @property
    def bundles(self) -> Path:
        """The folder of registered bundles."""
        return self.root / "bundles"

    @property
    def pointer(self) -> Path:
        """The file that names the current model."""
        return self.bundles / "current"

    @property
    def current_model(self) -> str | None:
        """The id of the model that `embed` uses; None before the first is registered."""
        return self.pointer.read_text().strip() if self.pointer.is_file() else None

    @property
    def examples(self) -> Path:
        """The labelled examples that the probe reads."""
        return self.root / "probe_examples.parquet"

    @property
    def published(self) -> Path:
        """The folder that `pragma publish` writes for readers."""
        return self.root / "published"

    @property
    def dbt(self) -> Path:
        """The folder of dbt's artefacts and log."""
        return self.root / "dbt"


_PACKAGE = Path(__file__).resolve().parents[1]

DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent
"""The folder that holds `dbt_project` and `examples`."""

DBT_PROJECT = DATA / "dbt_project"
MACROS = DBT_PROJECT / "macros"
"""The macros; in a checkout a link to `macros`, which dbt follows from other projects too."""
