"""Requests of several clients, answered in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pragma_sql.formats.packing import Float

Request = TypeVar("Request")


def answers(
    requests: Sequence[Request], embedded: Callable[[Sequence[Request]], Sequence[Float]]
) -> list[Float | Exception]:
    """The answer to each request, [n, d] or an error; a bad request does not affect the others.

    Args:
        requests: requests that arrived together.
        embedded: gives the vectors of some requests, or raises one error for all of them.
    """
    try:
        return list(embedded(requests))
    except Exception as error:  # any error of a single request is its answer
        if len(requests) == 1:
            return [error]
    half = len(requests) // 2
    return answers(requests[:half], embedded) + answers(requests[half:], embedded)
