"""What the pages say of settings and packages is what the code has."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

from pragma_model.training.settings import TrainSettings
from pragma_sql.demo import STEPS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()

IMPORTED_AS = {
    "dbt": "dbt-core",
    "dbt_common": "dbt-core",
    "duckdb_engine": "duckdb-engine",
    "great_expectations": "great-expectations",
    "mlflow": "mlflow-skinny",
    "onnxruntime": "onnxruntime",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
IF_THERE = {"flash_attn", "sentence_transformers", "triton_python_backend_utils", "umap"}
"""Packages that are used where somebody installed them."""

FOR_TYPES = {"_typeshed"}
"""What type checkers bring along."""

TOLD_BY_US = {"PRAGMA_TRITON", "PRAGMA_TOY_MODELS"}
"""Variables that a page or a test sets for itself."""


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_link_of_a_page_leads_to_a_file_and_to_a_heading_that_exist() -> None:
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), f"{page}: {target}"
            assert not anchor or anchor in anchors(file), f"{page}: {target}"


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {re.split(r"[<>=\[ ]", need)[0].lower() for group in groups for need in group}


def imported(path: Path) -> set[str]:
    tops = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            tops |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.add(node.module.partition(".")[0])
    return tops


def test_each_package_that_is_imported_is_declared() -> None:
    ours = {"pragma_sql", "pragma_model", "pragma_udfs"}
    known = declared() | IF_THERE | FOR_TYPES
    for folder in ("pragma_sql", "pragma_model", "udfs"):
        for path in (ROOT / folder).glob("**/*.py"):
            used = imported(path) - ours - sys.stdlib_module_names
            undeclared = {name for name in used if IMPORTED_AS.get(name, name) not in known}
            assert undeclared == set(), path


def test_each_environment_variable_is_in_the_readme() -> None:
    found = set()
    for folder in ("pragma_sql", "pragma_model", "udfs", "macros"):
        for path in (ROOT / folder).glob("**/*.*"):
            if path.suffix in (".py", ".sql"):
                found |= set(re.findall(r"\bPRAGMA_[A-Z_]+", path.read_text()))
    found |= set(re.findall(r"PRAGMA_[A-Z_]+", (ROOT / "dbt_project/profiles.yml").read_text()))
    assert {name for name in found - TOLD_BY_US if name not in README} == set()


def test_the_page_on_training_names_the_steps_of_a_run_and_of_the_demo() -> None:
    page = " ".join((ROOT / "docs" / "train.md").read_text().split())
    settings = TrainSettings()
    said = f"takes {settings.steps} steps of {settings.budget:,} tokens; the demo takes {STEPS}"
    assert said in page
