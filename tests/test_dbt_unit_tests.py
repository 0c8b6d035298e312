"""The unit tests that stand beside the models; `pragma build` leaves them out, dbt runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from workplace import forget_dataset

from pragma_sql.formats.paths import DBT_PROJECT, Home

pytestmark = pytest.mark.long

# A unit test needs the relations that its model reads, though not their rows.
NEEDED = {"folder": [], "purchase_cards": ["purchase_cards_transactions"]}


def beside_the_models(dataset: str, folder: str = "") -> set[str]:
    """The unit tests that dbt knows of when it builds a dataset; all, or those of one folder."""
    others = set(NEEDED) - {dataset}
    return {
        test["name"]
        for path in (DBT_PROJECT / "models" / folder).glob("**/*.yml")
        if path.parent.name not in others
        for test in yaml.safe_load(path.read_text()).get("unit_tests", [])
    }


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ("folder", ""),
        ("purchase_cards", "contract/datasets/purchase_cards"),
        pytest.param("purchase_cards", "", marks=pytest.mark.slow),
    ],
)
def test_the_unit_tests_beside_the_models_pass(
    dataset: str,
    folder: str,
    toy: Home,
    toy_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Home.of(tmp_path)
    shutil.copy(toy.warehouse, home.warehouse)
    forget_dataset(home)
    monkeypatch.setenv("PRAGMA_HOME", str(home.root))
    said: list[str] = []
    runner = dbtRunner(callbacks=[lambda event: said.append(event.info.name)])
    arguments = [
        *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
        *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
        *("--vars", json.dumps({"dataset": dataset, "contract_dir": str(toy_dataset)})),
        *("--log-level", "none"),
    ]
    try:
        for model in NEEDED[dataset]:
            assert runner.invoke(["run", "--select", model, *arguments]).success
        here = f",path:models/{folder}" if folder else ""
        outcome = runner.invoke(["test", "--select", f"test_type:unit{here}", *arguments])
    finally:
        DuckDBConnectionManager.close_all_connections()
    assert outcome.exception is None
    results = {result.node.name: result for result in outcome.result.results}
    assert [found.message for found in results.values() if found.status in ("fail", "error")] == []
    expected = beside_the_models(dataset, folder)
    assert expected
    assert expected <= {name for name, found in results.items() if found.status == "pass"}
    assert [name for name in said if "Deprecat" in name] == []
