"""Equal events: a key of 128 bits for the tokens of each event.

Letters: M events, R distinct event rows, T tokens.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.text_encoder import Texts

Key = npt.NDArray[np.uint64]

_RAW = np.random.PCG64(0).random_raw(3 * 256)
_SPREAD = _RAW[0] | np.uint64(1)
_WEIGHTS = (_RAW[256:512] | np.uint64(1), _RAW[512:] | np.uint64(1))
"""Odd random factors, one for each of the 255 tokens that an event can have."""


class RowKeys:
    """128 bits that stand for the tokens of each event, in two halves [M].

    Each half is a sum of random multiples of the mixed tokens, so equal rows have equal keys.
    """

    def __init__(self, first: Key, second: Key) -> None:
        self.first = first
        self.second = second

    @classmethod
    def of(cls, histories: Histories) -> RowKeys:
        """The keys of all events."""
        lengths = np.diff(histories.token_offsets)
        tokens = histories.tokens
        codes = tokens[:, :3].dot(np.array([1, 1 << 24, 1 << 56])).view(np.uint64)
        if histories.texts is not None:
            codes = codes ^ _text_codes(histories.texts)[tokens[:, 3]]
        codes = (codes + np.uint64(1)) * _SPREAD
        codes ^= codes >> np.uint64(32)
        place = np.arange(len(codes)) - np.repeat(histories.token_offsets[:-1], lengths)
        halves = []
        for weights in _WEIGHTS:
            upto = np.zeros(len(codes) + 1, np.uint64)
            np.cumsum(codes * weights[place], out=upto[1:])
            sums = upto[histories.token_offsets[1:]] - upto[histories.token_offsets[:-1]]
            halves.append(sums)
        return cls(*halves)

    def __len__(self) -> int:
        return len(self.first)

    def take(self, events: Int) -> RowKeys:
        """The keys of these events."""
        return RowKeys(self.first[events], self.second[events])

    def distinct(self) -> tuple[Int, Int]:
        """An event of each distinct row, [R], and the number of each event's row, [M]."""
        _, first, row = np.unique(self.first, return_index=True, return_inverse=True)
        if not np.array_equal(self.second[first][row], self.second):
            # Equal halves of different keys: sort by the first half only, so no row is shared.
            order = np.argsort(self.first, kind="stable")
            return order, np.argsort(order)
        return first.astype(np.int64), row.astype(np.int64).ravel()


def _text_codes(texts: Texts) -> Key:
    """A 64-bit code of each string, and 0 at the end for tokens without a string (number -1)."""
    digests = [
        hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts.strings.to_pylist()
    ]
    return np.append(np.frombuffer(b"".join(digests), np.uint64), np.uint64(0))
