"""The limits of values of the contract; also for records, which are checked without SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Limits:
    """The allowed moments, both ends included, and the allowed bytes of a value."""

    earliest: date = date(1990, 1, 1)
    latest: date = date(2100, 1, 1)
    value_bytes: int = 10_000

    def __str__(self) -> str:
        return f"{self.earliest} .. {self.latest}"

    def outside(self, moment: str) -> str:
        """SQL: the moment lies outside the limits; null for a null."""
        return f"{moment} not between timestamp '{self.earliest}' and timestamp '{self.latest}'"

    def long(self, text: str) -> str:
        """SQL: the text is longer than the limit."""
        return f"strlen({text}) > {self.value_bytes}"
