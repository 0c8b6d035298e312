"""Folders that appear complete or not at all, and the hashes that guard their files."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pragma_sql.formats.errors import PragmaError


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def glob_literal(path: Path) -> str:
    """The pattern that matches only this path in DuckDB's globs, with special letters escaped.

    >>> glob_literal(Path("/data/my [1] bank?"))
    '/data/my [[]1] bank[?]'
    """
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in str(path))


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A folder to write into: it replaces `target` on success and is removed on failure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    old = target.with_name(f".{target.name}.old")
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        if target.exists():
            target.rename(old)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_hashes(folder: Path, hashes: dict[str, str], next_step: str) -> None:
    """Raise unless every listed file of the folder is there with its hash."""
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            raise PragmaError(f"{folder}: {name} is missing", next_step)
        if sha256(path) != expected:
            raise PragmaError(f"{path}: the content differs from its manifest", next_step)
