"""What dbt parsed for one warehouse serves the next one too."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from pragma_sql.datasets.dataset import Variables, dataset_vars
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import DBT_PROJECT, Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.dbt_project import PARSED_WITH, ParsedProject

pytestmark = pytest.mark.long


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of our own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def variables(toy_dataset: Path) -> Variables:
    return dataset_vars(toy_dataset, [])


@pytest.fixture(scope="module")
def parsed(variables: Variables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The cache that the build of a first warehouse filled, and the sources of its events."""
    folder = tmp_path_factory.mktemp("parsed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return folder / "cache", built_events(Home.of(folder / "first"), variables)


@pytest.fixture
def first(cache: Path, parsed: tuple[Path, set[str]]) -> set[str]:
    """Its sources; the cache is as after its build."""
    shutil.copytree(parsed[0], cache)
    return parsed[1]


def built_events(home: Home, variables: Variables) -> set[str]:
    """The sources of the events, through a contract built in this home."""
    build(home, variables, select=["+events"])
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return {
            source for (source,) in con.execute("select source from contract.events").fetchall()
        }


def test_a_second_warehouse_is_built_from_what_the_first_parsed(
    first: set[str], variables: Variables, tmp_path: Path
) -> None:
    assert ParsedProject(DBT_PROJECT, variables).load() is not None
    second = Home.of(tmp_path / "second")
    assert built_events(second, variables) == first
    assert not (second.dbt / "target" / "partial_parse.msgpack").exists()


def test_another_folder_of_the_same_kind_is_read_and_not_the_one_that_was_parsed_with(
    first: set[str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    duckdb.sql(f"""
        copy (select 'u' as user_id, timestamp '2024-01-01' as ts, 'elsewhere' as source,
              map {{'a': 'b'}} as fields) to '{other / "events.parquet"}'
    """)
    duckdb.sql(f"""
        copy (select 'u' as user_id, timestamp '2024-01-01' as as_of,
              map {{'a': 'b'}} as attributes,
              []::struct(key varchar, ts timestamp)[] as lifelong) to '{other / "profiles.parquet"}'
    """)
    moved = dataset_vars(other, [])
    assert ParsedProject(DBT_PROJECT, moved).load() is not None
    assert built_events(Home.of(tmp_path / "second"), moved) == {"elsewhere"}


def test_every_var_that_parsing_reads_is_told_apart() -> None:
    """Settings stand in yml and in config(); refs in models decide the order."""
    read = set()
    for path in DBT_PROJECT.glob("models/**/*"):
        text = path.read_text() if path.suffix in (".sql", ".yml", ".py") else ""
        if path.suffix == ".sql":
            text = "".join(re.findall(r"config\(.*?\)\s*}}|\b(?:ref|source)\(.*?\) }}", text, re.S))
        read |= set(re.findall(r"var\('(\w+)'", text))
    assert {*read, "candidate"} == set(PARSED_WITH)  # of which the schemas are


def test_vars_that_choose_models_are_parsed_with(cache: Path, variables: Variables) -> None:
    folder = ParsedProject(DBT_PROJECT, variables)
    cards = ParsedProject(DBT_PROJECT, {**variables, "dataset": "purchase_cards"})
    assert folder.file != cards.file


def test_a_project_elsewhere_has_its_own_seeds(
    cache: Path, variables: Variables, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "dbt_project"
    shutil.copytree(DBT_PROJECT, elsewhere)
    there = ParsedProject(elsewhere, variables)
    assert there.file != ParsedProject(DBT_PROJECT, variables).file


@pytest.mark.slow
def test_a_project_that_cannot_be_parsed_leaves_what_was_parsed_before_to_the_past(
    cache: Path, variables: Variables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, home = tmp_path / "dbt_project", Home.of(tmp_path / "home")
    shutil.copytree(DBT_PROJECT, project)
    monkeypatch.setattr("pragma_sql.warehouse.build.DBT_PROJECT", project)
    built_events(home, variables)
    (project / "models" / "contract" / "events.yml").write_text("models: [")
    for _ in range(2):
        with pytest.raises(PragmaError):
            built_events(home, variables)


@pytest.mark.slow
def test_rubbish_in_the_cache_is_parsed_over(
    first: set[str], variables: Variables, tmp_path: Path
) -> None:
    kept = ParsedProject(DBT_PROJECT, variables).file
    kept.write_bytes(kept.read_bytes()[:1000])
    assert ParsedProject(DBT_PROJECT, variables).load() is None
    built_events(Home.of(tmp_path / "second"), variables)
    assert ParsedProject(DBT_PROJECT, variables).load() is not None


def test_a_cache_that_cannot_be_written_stops_nobody(
    variables: Variables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert built_events(Home.of(tmp_path / "home"), variables)
