"""What a user embedding is made of: blocks, one after the other."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum

from pragma_sql.formats.activity import HINGES_AT
from pragma_sql.formats.errors import PragmaError


class Block(StrEnum):
    """A part of a user embedding; see docs/decisions/readout.md."""

    USER = "user"
    """The state of [USR], which changes little from one event to the next."""
    LAST = "last"
    """The state of the last event in its history; that of [USR] if there is no event."""
    STATE = "state"
    """The standardised activity: how much happened, how lately, for how long."""
    HINGES = "hinges"
    """What of each number of the activity exceeds each of `HINGES_AT`, else 0."""


Readout = tuple[Block, ...]

PAPER: Readout = (Block.USER, Block.LAST)
"""The readout without activity (PRAGMA, section on probes)."""

ACTIVITY = (Block.STATE, Block.HINGES)
"""The blocks that only a model with activity has."""

MOST_NUMBERS = 1024
"""Most numbers of an embedding with hinges by default."""


def default_readout(activity: int, width: int) -> Readout:
    """The readout where none is asked for.

    Args:
        activity: the number of numbers of activity, A; 0 without.
        width: width of a state, D.
    """
    if not activity:
        return PAPER
    full = (Block.USER, *ACTIVITY)
    return full if readout_width(full, activity, width) <= MOST_NUMBERS else full[:-1]


def readout_width(readout: Readout, activity: int, width: int) -> int:
    """The number of numbers of an embedding, E."""
    widths = {Block.STATE: activity, Block.HINGES: len(HINGES_AT) * activity}
    return sum(widths.get(block, width) for block in readout)


ALIASES = {"both": "user,last"}
"""Readouts of older bundles and commands."""


def parse_readout(text: str) -> Readout:
    """The blocks named in a text such as `user,last,state`.

    Raises:
        PragmaError: a block is unknown or named twice.
    """
    names = [name.strip() for name in ALIASES.get(text, text).split(",")]
    for name in names:
        if name not in list(Block):
            near = get_close_matches(name, list(Block), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise PragmaError(
                f"--readout {text}: there is no block {name!r}{meant}",
                f"any of {', '.join(Block)}, such as --readout user,last",
            )
        if names.count(name) > 1:
            raise PragmaError(f"--readout {text} names {name} twice", "name each block once")
    return tuple(Block(name) for name in names)


def readout_text(readout: Readout) -> str:
    """The inverse of `parse_readout`; a pair that older programs know has their name."""
    return "both" if readout == PAPER else ",".join(readout)
