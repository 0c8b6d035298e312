"""One home and one folder for a dataset, used by one test after another.

dbt reads its project again, for two seconds, where the paths of a build are not those of the one
before. So tests that write build at the same two paths, and start from copies of what was built.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import duckdb
from datasets import Event, Label, Profile

from pragma_sql.datasets.dataset import Variables, dataset_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.refit import refit

EVENTS: Sequence[Event] = datasets.toy_events()
PROFILES: Sequence[Profile] = datasets.toy_profiles()
LABELS: Sequence[Label] = datasets.toy_labels()


@dataclass(frozen=True)
class Workplace:
    """Where the tests of one process build."""

    home: Home
    dataset: Path

    @classmethod
    def at(cls, root: Path) -> Workplace:
        """A place below a folder, empty at first."""
        return cls(Home.of(root / "home"), root / "it's a [1] dataset?")

    def clear(self) -> None:
        """Forget all but what dbt read of its project."""
        shutil.rmtree(self.dataset, ignore_errors=True)
        for path in self.home.root.glob("*"):
            if path.is_dir() and path != self.home.dbt:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()

    def write(
        self,
        events: Sequence[Event] = EVENTS,
        profiles: Sequence[Profile] = PROFILES,
        labels: Sequence[Label] = LABELS,
    ) -> Path:
        """Make this the state of the dataset."""
        return datasets.write_dataset(self.dataset, events, profiles, labels)

    def variables(self, **more: object) -> Variables:
        """The vars of a build of the dataset, small enough for each kind of field."""
        return {**dataset_vars(self.dataset, []), **datasets.TOY_VARS, **more}  # type: ignore[dict-item]

    def build(self, *select: str, full_refresh: bool = False, **more: object) -> Home:
        """One build from the state of the dataset."""
        build(self.home, self.variables(**more), select=select, full_refresh=full_refresh)
        return self.home

    def refit(self, **more: object) -> Home:
        """A new tokenizer, made from the state of the dataset."""
        refit(self.home, self.variables(**more))
        return self.home

    def keep(self, folder: Path) -> Path:
        """Put a copy of what was built into a new folder."""
        folder.mkdir()
        copy_home(self.home, Home.of(folder))
        return folder

    def restore(self, kept: Path) -> Home:
        """Start from such a copy, or from a home."""
        self.clear()
        self.home.root.mkdir(exist_ok=True)
        copy_home(Home.of(kept), self.home)
        forget_dataset(self.home)
        return self.home


def copy_home(home: Home, to: Home) -> None:
    """Copy the tables, the pages of their checks and the registered models."""
    shutil.copy(home.warehouse, to.warehouse)
    for folder, copy in ((home.data_docs, to.data_docs), (home.bundles, to.bundles)):
        if folder.exists():
            shutil.copytree(folder, copy)


def forget_dataset(home: Home) -> None:
    """Let a warehouse take the next dataset that it is given, wherever that lies."""
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("drop table if exists contract.dataset")
