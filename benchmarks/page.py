"""docs/BENCHMARKS.md and docs/RESULTS.md: sections that scripts write, and no hand."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "BENCHMARKS.md"
RESULTS = PAGE.parent / "RESULTS.md"
HEADS = {
    PAGE: "# Benchmarks\n\nWritten by the scripts; whole process trees, start-up included.\n",
    RESULTS: "# Results\n\nWritten by `benchmarks/bench_results.py`, on test users.\n",
}


def machine() -> str:
    """What the numbers were taken on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def write_section(title: str, body: str, page: Path = PAGE) -> None:
    """Replace the section of this title, or add it at the end; the others stay."""
    text = page.read_text() if page.is_file() else ""
    text = HEADS[page] + "\n" + text[text.index("## ") :] if "## " in text else HEADS[page]
    section = f"## {title}\n\n{body.strip()}\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section + "\n", text).rstrip() + "\n"
    else:
        text = text.rstrip() + "\n\n" + section
    page.write_text(text)
    print(section)
