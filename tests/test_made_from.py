"""What is made of vectors shows nothing of another model, nor of vectors as they were before."""

from __future__ import annotations

import shutil
from pathlib import Path

import datasets
import duckdb
import pytest
from trained import another_bundle
from workplace import forget_dataset

from pragma_model.reports import check_made_from
from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.registry import register_bundle

pytestmark = pytest.mark.long

SHOWN = ("views.similar_users", "views.embedding_map", "views.probe_examples")
FILES = ("embedding_map", "probe_examples")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made") / "dataset"


@pytest.fixture(scope="module")
def home(embedded: Home, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse whose model has filled all views; the tests go on from each other."""
    home = Home.of(tmp_path_factory.mktemp("made") / "home")
    shutil.copytree(embedded.root, home.root)
    forget_dataset(home)
    built(home, dataset, len(datasets.toy_events()))
    return home


def built(home: Home, dataset: Path, events: int, *select: str) -> None:
    datasets.write_dataset(
        dataset, datasets.toy_events()[:events], datasets.toy_profiles(), datasets.toy_labels()
    )
    build(home, {**dataset_vars(dataset, []), **datasets.TOY_VARS}, select=select)


def shown(home: Home) -> set[str]:
    """The views that hold rows."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return {name for name in SHOWN if con.execute(f"from {name} limit 1").fetchall()}


def test_all_is_shown_of_the_vectors_that_it_was_made_of(home: Home) -> None:
    assert shown(home) == set(SHOWN)
    for name in FILES:
        check_made_from(home, name)


def test_the_file_says_what_the_table_says_of_relations_that_are_made_side_by_side(
    home: Home,
) -> None:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        table = con.execute(
            "from vectors.made_from union all from views.made_from order by relation"
        ).fetchall()
        file = con.read_parquet(str(home.root / "made_from.parquet")).fetchall()
    assert {row[0] for row in table} == {"user_embeddings", "user_forecasts", "neighbours", *FILES}
    assert file == table


def test_nothing_is_shown_of_vectors_as_they_were(home: Home, dataset: Path) -> None:
    built(home, dataset, len(datasets.toy_events()) - 1, "+user_embeddings")
    assert shown(home) == set()
    for name in FILES:
        with pytest.raises(PragmaError, match=f"{name} is older than the vectors") as refused:
            check_made_from(home, name)
        assert "--select models+" in refused.value.next_step
    built(home, dataset, len(datasets.toy_events()) - 1, "models+")
    assert shown(home) == set(SHOWN)


def test_nothing_is_shown_of_a_model_that_is_not_current(
    home: Home, dataset: Path, tmp_path: Path
) -> None:
    old = (home.bundles / "current").read_text().strip()
    new = register_bundle(open_bundle(another_bundle(home, tmp_path / "new")), home.warehouse)
    assert shown(home) == set()
    for name in FILES:
        with pytest.raises(PragmaError, match=f"{name} is of model {old}, and {new} is current"):
            check_made_from(home, name)
    built(home, dataset, len(datasets.toy_events()) - 1, "models+")
    assert shown(home) == set(SHOWN)
    check_made_from(home, "probe_examples")
