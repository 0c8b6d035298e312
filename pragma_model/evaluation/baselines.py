"""What can be guessed without a model: each key's most frequent value, and what follows a value.

Letters: T tokens, V vocabulary, N questions, P pairs of values that followed one another.
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
"""Tokens that frequencies are counted in. Users lie in the order of a hash: any are a sample."""

SLICE_TOKENS = 2_000_000
"""About as many are counted at a time."""

MOST_PAIRS = 4_000_000
"""Distinct pairs that are remembered; beyond it the rarest are forgotten."""

NONE = -1
"""No such value."""


@dataclass(frozen=True)
class Baselines:
    """The two guesses, fitted on one split."""

    majority: Int
    """[V] the most frequent value of each key; `NONE` where an id is no key of the split."""
    pairs: Int
    """[P] key and earlier value as one number, rising."""
    followers: Int
    """[P] the value that followed most often."""

    def by_key(self, keys: Int) -> Int:
        """The most frequent value of each key, [N] -> [N]."""
        return self.majority[keys]

    def by_value_before(self, keys: Int, before: Int) -> Int:
        """What followed the earlier value of the same key most often, else the key's majority.

        Args:
            keys: [N]
            before: [N] the earlier values; `NONE` where there is none.
        """
        guesses = self.majority[keys]
        if not len(self.pairs):
            return guesses
        asked = keys * len(self.majority) + before
        places = np.minimum(np.searchsorted(self.pairs, asked), len(self.pairs) - 1)
        known = (before != NONE) & (self.pairs[places] == asked)
        return np.where(known, self.followers[places], guesses)


def fit_baselines(reader: SplitReader) -> Baselines:
    """Count a split's values, [UNK] left out; of equally frequent values the smallest id wins.

    Memory is that of `SLICE_TOKENS` tokens, of one user, or of `MOST_PAIRS` pairs.
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

    [MASK] and [UNK] are passed over, for the value before them.

    Args:
        user: [T] of each token; tokens of a user in time order.
        key: [T]
        position: [T] within the field.
        value: [T]

    Returns:
        `NONE` where the user had no such value before.
    """
    # By field of a user; a stable sort keeps the order of time within it.
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
    """How often each of many numbers came up; the rarest are forgotten when they are too many."""

    def __init__(self) -> None:
        self._numbers = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)

    def add(self, numbers: Int) -> None:
        found, counts = np.unique(numbers, return_counts=True)
        merged, place = np.unique(np.concatenate([self._numbers, found]), return_inverse=True)
        summed = np.zeros(len(merged), np.int64)
        np.add.at(summed, place, np.concatenate([self._counts, counts]))
        if len(merged) > MOST_PAIRS:
            kept = np.sort(np.argsort(-summed, kind="stable")[:MOST_PAIRS])
            merged, summed = merged[kept], summed[kept]
        self._numbers, self._counts = merged, summed

    def best(self, size: int) -> tuple[Int, Int]:
        """Numbers are `what * size + value`: each `what`, rising, and its most frequent value."""
        what, value = np.divmod(self._numbers, size)
        order = np.lexsort((value, -self._counts, what))
        first = order[np.unique(what[order], return_index=True)[1]]
        return what[first], value[first]


def _slices(reader: SplitReader) -> Iterator[Histories]:
    """Whole users, a limited number of tokens at a time, until `COUNTED_TOKENS` have been seen."""
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
