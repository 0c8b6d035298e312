"""The pages on the architecture and on words name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("architecture.md", "glossary.md")
TOPS = {path.name for path in ROOT.iterdir() if path.is_dir()}


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def named_paths(text: str) -> list[str]:
    """What stands in backticks and starts with a folder of the top level."""
    code = re.findall(r"`([^`\s]+/[^`\s]+)`", text)
    return sorted({path for path in code if path.partition("/")[0] in TOPS})


def test_the_page_on_the_architecture_names_files_of_every_room() -> None:
    tops = {path.partition("/")[0] for path in named_paths(read("architecture.md"))}
    assert {"dbt_project", "macros", "pragma_sql", "pragma_model", "udfs", "serving"} <= tops


@pytest.mark.parametrize("page", PAGES)
def test_each_path_of_a_page_exists(page: str) -> None:
    assert [p for p in named_paths(read(page)) if not (ROOT / p).exists()] == []


@pytest.mark.parametrize(
    "heading", ["From a raw row to `vectors.user_embeddings`", "`select embed(user_id)`"]
)
def test_each_hop_of_a_list_is_one_file(heading: str) -> None:
    section = read("architecture.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    hops = re.findall(r"^(\d+)\. `([^`\s]+)`: ", section, re.M)
    assert [int(number) for number, _ in hops] == list(range(1, len(hops) + 1))
    files = [file for _, file in hops]
    assert len(set(files)) == len(files)
    assert sorted(files) == named_paths(section)


def test_the_words_are_in_alphabetical_order() -> None:
    rows = re.findall(r"^\| ([^\[|]+) \|", read("glossary.md"), re.M)
    words = [row.lower() for row in rows if row not in ("word", "---")]
    assert words == sorted(words)
