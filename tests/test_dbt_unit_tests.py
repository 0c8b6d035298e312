"""The unit tests that stand beside the models; `pragma build` leaves them out, dbt runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pragma_sql.home import Home
from pragma_sql.project import DBT_PROJECT


def test_the_unit_tests_beside_the_models_pass(toy: Home, toy_book: Path, tmp_path: Path) -> None:
    home = Home.of(tmp_path)
    shutil.copy(toy.warehouse, home.warehouse)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "test", "--select", "test_type:unit"),
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
            *("--vars", f'{{"book": "folder", "contract_dir": "{toy_book}"}}'),
        ],
        env={**os.environ, "PRAGMA_HOME": str(home.root)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    assert "Deprecat" not in result.stdout
