"""One toy warehouse for all tests that only read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import books
import duckdb
import pytest
from hypothesis import settings
from workplace import Workplace

from pragma_sql.datasets.dataset import book_of
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

# Where a run decides what lands, made-up cases are the same each time; elsewhere they go on
# searching.
settings.register_profile("repeatable", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def toy_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract folder of the toy book."""
    return books.write_book(
        tmp_path_factory.mktemp("book"),
        books.toy_events(),
        books.toy_profiles(),
        books.toy_labels(),
    )


@pytest.fixture(scope="session")
def toy(toy_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse built from the toy book, before any model exists. Read it only."""
    home = Home.of(tmp_path_factory.mktemp("toy"))
    build(home, {**book_of(toy_book, []), **books.TOY_VARS})
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
