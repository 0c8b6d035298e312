"""The errors that a user is meant to read, and helpers for their wording."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class PragmaError(Exception):
    r"""Something the user can fix: `what` went wrong and where, and the `next_step` to take.

    >>> str(PragmaError("shards/: no manifest.json", "run `pragma shards`"))
    'shards/: no manifest.json\nnext: run `pragma shards`'
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what}\nnext: {next_step}" if next_step else what)
        self.what = what
        self.next_step = next_step


def count_of(number: int, thing: str) -> str:
    """A number with its noun, whose plural ends in s.

    >>> count_of(1, "row"), count_of(0, "row"), count_of(1204311, "file")
    ('1 row', '0 rows', '1,204,311 files')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def other_key(key: str, known: Sequence[str], missing: Sequence[str] = ()) -> str:
    """The next step for a key that does not exist.

    Args:
        key: the key.
        known: the keys that exist.
        missing: those of them that are needed and were not given; a match among them comes first.

    >>> other_key("lable", ["label", "table"], ["label"]), other_key("x", ["label", "table"])
    ('did you mean label?', 'the keys are label, table')
    """
    near = get_close_matches(key, missing, 1) or get_close_matches(key, known, 1)
    return f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
