"""What a book may hold: the figures behind the rules of the contract and of records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Limits:
    """Moments, both ends included, and bytes of a value."""

    earliest: date = date(1990, 1, 1)
    latest: date = date(2100, 1, 1)
    value_bytes: int = 10_000

    def __str__(self) -> str:
        return f"{self.earliest} .. {self.latest}"

    def outside(self, moment: str) -> str:
        """SQL: the moment lies outside; null when there is none."""
        return f"{moment} not between timestamp '{self.earliest}' and timestamp '{self.latest}'"

    def long(self, text: str) -> str:
        """SQL: the text is longer than allowed."""
        return f"strlen({text}) > {self.value_bytes}"
