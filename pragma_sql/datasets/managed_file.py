"""Files generated from mapping.yml that a user may edit: an edited file is never overwritten.

The first line of such a file holds a hash of the rest, and a hash of the mapping it came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

State = Literal["absent", "as made", "edited"]

HEADER = "{comment} Made by `pragma init` from mapping.yml ({mapping}, {content}); yours to edit."
PATTERN = re.compile(r"\S+ Made by `pragma init` from mapping\.yml \((\w+), (\w+)\)")


@dataclass(frozen=True)
class ManagedFile:
    """The state of a file that may have been generated."""

    state: State
    mapping: str = ""
    """The digest of the mapping that the file was generated from."""


def add_header(body: str, mapping: str, comment: str) -> str:
    """The text of a file: the line with the hashes, then the body."""
    header = HEADER.format(comment=comment, mapping=mapping, content=_hash(body))
    return f"{header}\n{body}"


def inspect(path: Path) -> ManagedFile:
    """Whether a file exists, and is unchanged since it was generated."""
    if not path.exists():
        return ManagedFile("absent")
    # A file that is not UTF-8 was not generated here.
    header, _, body = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    found = PATTERN.match(header)
    if found is None or found[2] != _hash(body):
        return ManagedFile("edited")
    return ManagedFile("as made", found[1])


def _hash(body: str) -> str:
    """Twelve hex digits of a hash that ignores how a checkout changes line ends."""
    return sha256("\n".join(body.splitlines()).encode()).hexdigest()[:12]
