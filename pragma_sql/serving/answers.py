"""Requests of several clients, answered in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pragma_sql.formats.packing import Float

Request = TypeVar("Request")


def answers(
    requests: Sequence[Request], embedded: Callable[[Sequence[Request]], Sequence[Float]]
) -> list[Float | Exception]:
    """What each request gets, [n, d] or an error; a bad request harms none of the others.

    Args:
        requests: those that arrived together.
        embedded: gives the vectors of each of some requests, or raises for them all.
    """
    try:
        return list(embedded(requests))
    except Exception as error:  # whatever it is, it is one request's own
        if len(requests) == 1:
            return [error]
    half = len(requests) // 2
    return answers(requests[:half], embedded) + answers(requests[half:], embedded)
