"""The tokenizer once more, slowly and without SQL: what the macros are held against.

It shares nothing with them but the fitted tables. A rule that both have to follow is stated here in
plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from tokenizers import Tokenizer

UNK = 2


class Tokens(NamedTuple):
    """Parallel lists, one entry a token."""

    keys: list[int]
    values: list[int]
    positions: list[int]


class SlowTokenizer:
    """Built from the rows of fit.fields, fit.numeric_bins, fit.vocabulary and the BPE's JSON."""

    def __init__(
        self,
        fields: Sequence[tuple[str, str]],  # key, kind
        bins: Sequence[tuple[str, int, float | None]],  # key, bin, upper edge
        vocabulary: Sequence[tuple[int, str, str, str]],  # id, kind, key, value
        bpe: str,
        max_tokens: int = 24,
    ) -> None:
        self.kinds = dict(fields)
        self.edges = {
            key: sorted(
                upper for k, number, upper in bins if k == key and number and upper is not None
            )
            for key, _, _ in bins
        }
        self.ids = {(kind, key, value): token for token, kind, key, value in vocabulary}
        self.first_bin = {
            key: min(token for token, kind, k, _ in vocabulary if kind == "number" and k == key)
            for key in self.edges
        }
        self.first_piece = min((t for t, kind, _, _ in vocabulary if kind == "text"), default=0)
        self.bpe = Tokenizer.from_str(bpe)
        self.max_tokens = max_tokens

    def event(self, source: str, fields: Mapping[str, str | None] | None) -> Tokens:
        """The source, then the fields by key; unknown keys and nulls give nothing."""
        out = Tokens([], [], [])
        self._add(out, "source", [self.ids.get(("category", "source", source), UNK)])
        for key in sorted(fields or {}, key=lambda k: k.encode()):
            value = (fields or {})[key]
            if key in self.kinds and key not in ("source", "milestone") and value is not None:
                self._add(out, key, self._value_ids(key, value))
        return Tokens(*(column[: self.max_tokens] for column in out))

    def _add(self, out: Tokens, key: str, ids: list[int]) -> None:
        out.keys.extend([self.ids["key", key, ""]] * len(ids))
        out.values.extend(ids)
        out.positions.extend(range(len(ids)))

    def _value_ids(self, key: str, value: str) -> list[int]:
        if self.kinds[key] == "category":
            return [self.ids.get(("category", key, value), UNK)]
        if self.kinds[key] == "text":
            return [self.first_piece + piece for piece in self.bpe.encode(value).ids] or [UNK]
        number = parse(value)
        if number is None:
            return [UNK]
        passed = sum(edge < number for edge in self.edges[key])
        return [self.first_bin[key] + (0 if number == 0 else 1 + passed)]


def parse(value: str) -> float | None:
    """A finite number in ASCII digits, spaces around it allowed; else None."""
    try:
        number = float(value) if value.isascii() else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def calendar(ts: datetime) -> tuple[int, int, int]:
    """Hour, weekday from Monday, day of the month, UTC."""
    return ts.hour, ts.weekday(), ts.day
