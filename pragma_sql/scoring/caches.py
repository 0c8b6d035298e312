"""Caches: vectors of events by the content of their tokens, and recent vectors of users.

Letters: M events, R distinct event rows, T tokens, D width.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pragma_sql.formats.histories import Bool, Histories, Int
from pragma_sql.formats.packing import Float
from pragma_sql.formats.text_encoder import Texts

Key = npt.NDArray[np.uint64]

CACHE_BYTES = 256 * 2**20
"""Size of the cache: a million vectors of width 64."""

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


class EventCache:
    """Vectors within a budget of memory; when it is full, the half used most recently stays.

    Threads may share it.
    """

    def __init__(self, width: int, budget: int = CACHE_BYTES) -> None:
        self._capacity = max(2, budget // (4 * width))
        self._lock = threading.Lock()
        self._vectors = np.empty((self._capacity, width), np.float32)  # paged in as it fills
        self._asked = np.zeros(self._capacity, np.int64)
        self._first = np.zeros(0, np.uint64)  # sorted
        self._second = np.zeros(0, np.uint64)
        self._slot = np.zeros(0, np.int64)
        self._free = np.arange(self._capacity)
        self._time = 0

    def __len__(self) -> int:
        return len(self._first)

    def fill(self, keys: RowKeys, vectors: Float) -> Bool:
        """Write the cached vectors into [R, D]; returns which rows were cached, [R]."""
        with self._lock:
            if not len(self._first):
                return np.zeros(len(keys), np.bool_)
            at = np.minimum(np.searchsorted(self._first, keys.first), len(self._first) - 1)
            known: Bool = (self._first[at] == keys.first) & (self._second[at] == keys.second)
            slots = self._slot[at[known]]
            vectors[known] = self._vectors[slots]
            self._time += 1
            self._asked[slots] = self._time
        return known

    def keep(self, keys: RowKeys, vectors: Float) -> None:
        """Add the vectors [R, D] of rows in ascending order of keys, as `distinct` gives them."""
        with self._lock:
            at = np.searchsorted(self._first, keys.first)
            there = self._first[np.minimum(at, len(self._first) - 1)] if len(self._first) else None
            new = np.ones(len(keys), np.bool_) if there is None else there != keys.first
            new = np.flatnonzero(new)[: self._capacity // 2]
            if not len(new):
                return
            self._make_room(len(new))
            slots, self._free = np.split(self._free, [len(new)])
            self._vectors[slots] = vectors[new]
            self._time += 1
            self._asked[slots] = self._time
            at = np.searchsorted(self._first, keys.first[new])
            self._first = np.insert(self._first, at, keys.first[new])
            self._second = np.insert(self._second, at, keys.second[new])
            self._slot = np.insert(self._slot, at, slots)

    def _make_room(self, count: int) -> None:
        if len(self._first) + count <= self._capacity:
            return
        asked = self._asked[self._slot]
        latest = np.argsort(asked, kind="stable")[len(asked) - self._capacity // 2 :]
        kept = np.sort(latest)
        self._free = np.setdiff1d(np.arange(self._capacity), self._slot[kept])
        self._first, self._second = self._first[kept], self._second[kept]
        self._slot = self._slot[kept]


def _text_codes(texts: Texts) -> Key:
    """A 64-bit code of each string, and 0 at the end for tokens without a string (number -1)."""
    digests = [
        hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts.strings.to_pylist()
    ]
    return np.append(np.frombuffer(b"".join(digests), np.uint64), np.uint64(0))


MOST_KEPT = 50_000
"""Most vectors of users that are kept: 25 MB at width 128."""

FEW = 64
"""A query's chunk with more users is not kept, as a scan of all would evict the others."""

VectorKey = tuple[str, str | None, int | None]
"""The model, the user and the moment in microseconds."""


class KeptVectors:
    """The vectors of users that were returned last; threads may share them."""

    def __init__(self, cursor: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._cursor = cursor
        self._lock = threading.Lock()
        self._vectors: OrderedDict[VectorKey, Float | None] = OrderedDict()

    def given(
        self, model_id: str, users: pa.Array, moments: pa.Array, embed: Callable[[], pa.Array]
    ) -> pa.Array:
        """The vectors of users at moments, list<float32>; `embed` computes those not kept."""
        if len(users) > FEW or not self._nothing_changes:
            return embed()
        at = moments.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
        keys = [(model_id, *asked) for asked in zip(users.to_pylist(), at, strict=True)]
        with self._lock:
            known = [self._vectors.get(key) for key in keys if key in self._vectors]
            if len(known) == len(keys):
                for key in keys:
                    self._vectors.move_to_end(key)
                return pa.array(known, pa.list_(pa.float32()))
        vectors = embed()
        self._keep(keys, vectors)
        return vectors

    def forget(self) -> None:
        """Release all vectors."""
        with self._lock:
            self._vectors.clear()

    def _keep(self, keys: Sequence[VectorKey], vectors: pa.Array) -> None:
        made = [None if v is None else np.array(v, np.float32) for v in vectors.to_pylist()]
        with self._lock:
            self._vectors.update(zip(keys, made, strict=True))
            while len(self._vectors) > MOST_KEPT:
                self._vectors.popitem(last=False)

    @cached_property
    def _nothing_changes(self) -> bool:
        query = "select readonly from duckdb_databases() where database_name = current_database()"
        ((readonly,),) = self._cursor().execute(query).fetchall()
        return bool(readonly)
