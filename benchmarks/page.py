"""docs/BENCHMARKS.md: one section a benchmark, each written by its script and by no hand."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "BENCHMARKS.md"
HEAD = "# Benchmarks\n\nWritten by the scripts; whole process trees, start-up included.\n"


def machine() -> str:
    """What the numbers were taken on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def write_section(title: str, body: str) -> None:
    """Replace the section of this title, or add it at the end; the others stay."""
    text = PAGE.read_text() if PAGE.is_file() else ""
    text = HEAD + "\n" + text[text.index("## ") :] if "## " in text else HEAD
    section = f"## {title}\n\n{body.strip()}\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section + "\n", text).rstrip() + "\n"
    else:
        text = text.rstrip() + "\n\n" + section
    PAGE.write_text(text)
    print(section)
