"""The suite of the contract in a project of Great Expectations that a user has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from checking import checked
from clean_dataset import CLEAN_DATASET, events

from pragma_sql.checks.rules import contract_rules
from pragma_sql.formats.paths import Home

pytestmark = pytest.mark.long

PAGE = Path(__file__).resolve().parent.parent / "docs" / "checks.md"
SCRIPT = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.S | re.M))


def warehouse(root: Path, spoiled: str) -> list[str]:
    """Make a warehouse of the clean dataset, spoiled; the rules that it breaks."""
    home = Home(root / "warehouse")
    home.root.mkdir()
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(CLEAN_DATASET + spoiled)
        return [result.rule.name for result in checked(con, home.root) if not result.passed]


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param("", marks=pytest.mark.slow),
        events("null, '2024-01-09', '', map {}, 'x'") * 2,
    ],
)
def test_a_project_of_the_user_loads_the_suite_and_comes_to_the_same_verdict(
    spoiled: str, tmp_path: Path
) -> None:
    broken = warehouse(tmp_path, spoiled)
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    said = dict(line.rsplit(" ", 1) for line in ran.stdout.splitlines() if line.endswith("e"))
    assert list(said) == [rule.name for rule in contract_rules()]
    assert [rule for rule, passed in said.items() if passed != "True"] == broken
    assert bool(broken) is bool(spoiled)


def test_the_suite_is_the_same_bytes_in_every_build(tmp_path: Path) -> None:
    warehouse(tmp_path, "")
    suite = Home(tmp_path / "warehouse").suite
    first = suite.read_bytes()
    with duckdb.connect(str(tmp_path / "warehouse" / "pragma.duckdb")) as con:
        checked(con, tmp_path / "warehouse")
    assert suite.read_bytes() == first
    assert [path.name for path in suite.parent.iterdir()] == ["contract.json"]
