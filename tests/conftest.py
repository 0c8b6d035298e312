"""One toy warehouse for all tests that only read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import datasets
import duckdb
import pytest
from hypothesis import settings
from workplace import Workplace

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

# Where a run decides what lands, made-up cases are the same each time; elsewhere they go on
# searching.
settings.register_profile("repeatable", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def toy_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract folder of the toy dataset."""
    return datasets.write_dataset(
        tmp_path_factory.mktemp("dataset"),
        datasets.toy_events(),
        datasets.toy_profiles(),
        datasets.toy_labels(),
    )


@pytest.fixture(scope="session")
def toy(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse built from the toy dataset, before any model exists. Read it only."""
    home = Home.of(tmp_path_factory.mktemp("toy"))
    build(home, {**dataset_vars(toy_dataset, []), **datasets.TOY_VARS})
    return home


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Where fixtures of a module build what its tests start from; they leave nothing there."""
    return Workplace.at(tmp_path_factory.mktemp("place"))


@pytest.fixture
def workplace(place: Workplace) -> Workplace:
    """The same place, empty, for one test."""
    place.clear()
    return place


@pytest.fixture
def toy_connection(toy: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the toy warehouse."""
    with duckdb.connect(str(toy.warehouse), read_only=True) as con:
        yield con
