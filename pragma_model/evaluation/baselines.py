"""Guesses without a model: a key's most frequent value, and what most often follows a value.

Letters: T tokens, V vocabulary, N questions, P pairs of successive values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pragma_model.training.data import SplitReader
from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.packing import MASK, UNK

COUNTED_TOKENS = 32_000_000
"""Most tokens that are counted. Users are in the order of a hash, so the first are a sample."""

SLICE_TOKENS = 2_000_000
"""About how many tokens are counted at a time."""

MAX_PAIRS = 4_000_000
"""Most distinct pairs that are kept; beyond it the rarest are dropped."""

NONE = -1
"""Stands for a missing value."""


@dataclass(frozen=True)
class Baselines:
    """The two guesses, fitted on one split."""

    majority: Int
    """[V] the most frequent value of each key; `NONE` for an id that is not a key of the split."""
    pairs: Int
    """[P] key and earlier value as one number, ascending."""
    followers: Int
    """[P] the value that followed most often after that key and value."""

    def by_key(self, keys: Int) -> Int:
        """The most frequent value of each key, [N] -> [N]."""
        return self.majority[keys]

    def by_value_before(self, keys: Int, before: Int) -> Int:
        """What most often followed the earlier value of the same key, else the key's majority.

        Args:
            keys: [N] the keys.
            before: [N] the earlier values; `NONE` if there is none.
        """
        guesses = self.majority[keys]
        if not len(self.pairs):
            return guesses
        asked = keys * len(self.majority) + before
        places = np.minimum(np.searchsorted(self.pairs, asked), len(self.pairs) - 1)
        known = (before != NONE) & (self.pairs[places] == asked)
        return np.where(known, self.followers[places], guesses)


def fit_baselines(reader: SplitReader) -> Baselines:
    """Count a split's values without [UNK]; of equally frequent values the smallest id wins.

    It needs the memory of `SLICE_TOKENS` tokens, of one user, or of `MAX_PAIRS` pairs.
    """
    size = reader.shards.manifest.vocabulary_size
    values, pairs = _Tally(), _Tally()
    for histories in _slices(reader):
        key, value, position = histories.tokens[:, :3].T
        user = np.repeat(histories.event_user, np.diff(histories.token_offsets))
        before = values_before(user, key, position, value)
        known = value != UNK
        values.add(key[known] * size + value[known])
        followed = known & (before != NONE)
        pairs.add((key[followed] * size + before[followed]) * size + value[followed])
    majority = np.full(size, NONE)
    keys, most_frequent = values.best(size)
    majority[keys] = most_frequent
    return Baselines(majority, *pairs.best(size))


def values_before(user: Int, key: Int, position: Int, value: Int) -> Int:
    """The value that each token's key had last, at the same position within the field; [T].

    [MASK] and [UNK] are skipped in favour of the value before them.

    Args:
        user: [T] the user of each token; a user's tokens are in time order.
        key: [T] key ids.
        position: [T] positions within the field.
        value: [T] value ids.

    Returns:
        [T] value ids; `NONE` if the user had no such value before.
    """
    # Grouped by a user's field; a stable sort keeps the time order within it.
    order = np.lexsort((position, key, user))
    fields = np.stack([user, key, position])[:, order]
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (fields[:, 1:] != fields[:, :-1]).any(0)
    place = np.arange(len(order))
    known = np.where(np.isin(value[order], (MASK, UNK)), NONE, place)
    last = np.full(len(order), NONE)
    last[1:] = np.maximum.accumulate(known)[:-1]
    found = last >= np.maximum.accumulate(np.where(starts, place, 0))
    before = np.full(len(order), NONE)
    before[order[found]] = value[order][last[found]]
    return before


class _Tally:
    """Counts of many numbers; when there are too many, the rarest are dropped."""

    def __init__(self) -> None:
        self._numbers = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)

    def add(self, numbers: Int) -> None:
        found, counts = np.unique(numbers, return_counts=True)
        merged, place = np.unique(np.concatenate([self._numbers, found]), return_inverse=True)
        summed = np.zeros(len(merged), np.int64)
        np.add.at(summed, place, np.concatenate([self._counts, counts]))
        if len(merged) > MAX_PAIRS:
            kept = np.sort(np.argsort(-summed, kind="stable")[:MAX_PAIRS])
            merged, summed = merged[kept], summed[kept]
        self._numbers, self._counts = merged, summed

    def best(self, size: int) -> tuple[Int, Int]:
        """Each `what`, ascending, and its top value, for numbers `what * size + value`."""
        what, value = np.divmod(self._numbers, size)
        order = np.lexsort((value, -self._counts, what))
        first = order[np.unique(what[order], return_index=True)[1]]
        return what[first], value[first]


def _slices(reader: SplitReader) -> Iterator[Histories]:
    """Complete users, a limited number of tokens at a time, up to `COUNTED_TOKENS` in all."""
    left = COUNTED_TOKENS
    for file in reader.files:
        part = reader.part(file)
        upto = np.cumsum(part.tokens)
        for users in np.split(part.users, np.flatnonzero(np.diff(upto // SLICE_TOKENS)) + 1):
            if left <= 0 or not len(users):
                return
            table: pa.Table = part.table.take(users)
            histories = Histories.from_arrow(table)
            left -= len(histories.tokens)
            yield histories
