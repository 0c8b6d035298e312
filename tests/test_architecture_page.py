"""The pages on the architecture and on words name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("architecture.md", "glossary.md")
TOPS = {path.name for path in ROOT.iterdir() if path.is_dir()}


def named_paths(page: str) -> list[str]:
    """What stands in backticks and starts with a folder of the top level."""
    code = re.findall(r"`([^`\s]+/[^`\s]+)`", (ROOT / "docs" / page).read_text())
    return sorted({path for path in code if path.partition("/")[0] in TOPS})


def test_the_page_on_the_architecture_names_files_of_every_room() -> None:
    tops = {path.partition("/")[0] for path in named_paths("architecture.md")}
    assert {"dbt_project", "macros", "pragma_sql", "pragma_model", "udfs", "serving"} <= tops


@pytest.mark.parametrize("page", PAGES)
def test_each_path_of_a_page_exists(page: str) -> None:
    assert [p for p in named_paths(page) if not (ROOT / p).exists()] == []


def test_the_words_are_in_alphabetical_order() -> None:
    rows = re.findall(r"^\| ([^\[|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    words = [row.lower() for row in rows if row not in ("word", "---")]
    assert words == sorted(words)
