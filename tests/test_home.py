"""The folder of a warehouse may have any name that DuckDB and dbt can read; else that is said."""

from __future__ import annotations

from pathlib import Path

import datasets
import duckdb
import pytest

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

VIEWS = ("views.probe_examples", "views.probe_vectors", "views.embedding_map")


@pytest.mark.parametrize(
    "name", ["a b", "it's", "[1]", "é", "50%", "*", "a;b", 'a "b"', "$HOME", "{a}", "~"]
)
def test_a_home_may_have_an_odd_name(name: str, tmp_path: Path) -> None:
    assert Home.of(tmp_path / name).root == tmp_path / name


@pytest.mark.parametrize(
    ("name", "mark"), [("what?", "?"), ("#1", "#"), ("a {{ b", "{{"), ("{% a", "{%")]
)
def test_a_home_that_cannot_be_is_refused_in_a_sentence(
    name: str, mark: str, tmp_path: Path
) -> None:
    with pytest.raises(PragmaError) as refused:
        Home.of(tmp_path / name / "home")
    assert refused.value.what == (
        f"no warehouse can lie at {tmp_path / name / 'home'}: its path holds `{mark}`"
    )
    assert refused.value.next_step == "choose another folder: --home FOLDER"


def test_the_current_model_is_the_one_that_the_pointer_names(tmp_path: Path) -> None:
    home = Home.of(tmp_path)
    assert home.current_model is None
    home.bundles.mkdir()
    (home.bundles / "current").write_text("0123456789ab\n")
    assert home.current_model == "0123456789ab"


@pytest.mark.long
def test_a_home_with_quotes_and_patterns_in_its_name_is_built_and_reads_its_own_files(
    toy_dataset: Path, tmp_path: Path
) -> None:
    home = Home.of(tmp_path / "it's [1] é 50%*")
    beside = tmp_path / "it's 1 é 50% and more"
    beside.mkdir()
    build(home, {**dataset_vars(toy_dataset, []), **datasets.TOY_VARS})
    with duckdb.connect() as con:
        con.execute(
            "copy (select 'm' as model_id, 'ann' as user_id, now() as eval_ts, [1.0] as embedding)"
            " to $path (format parquet)",
            {"path": str(beside / "probe_vectors.parquet")},
        )
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert [con.execute(f"from {view}").fetchall() for view in VIEWS] == [[], [], []]
