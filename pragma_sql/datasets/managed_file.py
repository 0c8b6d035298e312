"""Files that are made from mapping.yml and then belong to the user: an edited one is never touched.

The first line of such a file holds the hash of the rest, and that of the mapping it was made from.
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
class Made:
    """What is known of a file that may have been made."""

    state: State
    mapping: str = ""
    """The digest of the mapping that it was made from."""


def stamped(body: str, mapping: str, comment: str) -> str:
    """The text of a file: the line that tells what it was made from, then the body."""
    header = HEADER.format(comment=comment, mapping=mapping, content=_hash(body))
    return f"{header}\n{body}"


def inspect(path: Path) -> Made:
    """Whether a file is there, and still as it was made."""
    if not path.exists():
        return Made("absent")
    # What is not UTF-8 was not made here.
    header, _, body = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    found = PATTERN.match(header)
    if found is None or found[2] != _hash(body):
        return Made("edited")
    return Made("as made", found[1])


def _hash(body: str) -> str:
    """Twelve hex digits; the same whatever a checkout does to line ends."""
    return sha256("\n".join(body.splitlines()).encode()).hexdigest()[:12]
