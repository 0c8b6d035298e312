"""What tests share: a toy dataset, and warehouses of it that are built once for all processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import duckdb
import pytest
from filelock import FileLock
from hypothesis import settings
from trained import trained_home
from workplace import Workplace

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

# Models of the tests are so small that a second thread only waits and spins. Read on import.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where a run decides what lands, made-up cases are the same each time; elsewhere they go on
# searching.
settings.register_profile("repeatable", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("repeatable")


BUILDING = {"place", "workplace"}
"""Fixtures of tests that build a warehouse of their own."""


@pytest.hookimpl(tryfirst=True)  # before markers choose the tests that run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that build: each build costs seconds of dbt alone."""
    for item in items:
        if BUILDING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.long)


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """A folder by its name, filled by the first process of the run that asks for it."""
    root = tmp_path_factory.getbasetemp()  # of this process, inside that of the run
    shared = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "shared"
    shared.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what a process left that failed
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def toy_dataset(made_once: MadeOnce) -> Path:
    """The contract folder of the toy dataset. Read it only, as all that is shared."""
    return made_once(
        "dataset",
        lambda folder: datasets.write_dataset(
            folder, datasets.toy_events(), datasets.toy_profiles(), datasets.toy_labels()
        ),
    )


@pytest.fixture(scope="session")
def toy(toy_dataset: Path, made_once: MadeOnce) -> Home:
    """A warehouse built from the toy dataset, before any model exists."""
    variables = {**dataset_vars(toy_dataset, []), **datasets.TOY_VARS}
    return Home.of(made_once("toy", lambda folder: build(Home.of(folder), variables)))


@pytest.fixture(scope="session")
def trained(toy: Home, made_once: MadeOnce) -> Home:
    """A copy of it whose current model is of the run `toy`, of four steps."""
    return Home.of(made_once("trained", lambda folder: trained_home(toy, folder)))


@pytest.fixture(scope="session")
def embedded(trained: Home, toy_dataset: Path, made_once: MadeOnce) -> Home:
    """A copy of that with its vectors and all that is made of them."""
    variables = {**dataset_vars(toy_dataset, []), **datasets.TOY_VARS}

    def embed(folder: Path) -> None:
        shutil.copytree(trained.root, folder)
        build(Home.of(folder), variables, select=["models+"])

    return Home.of(made_once("embedded", embed))


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
