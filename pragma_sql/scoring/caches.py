"""Caches: vectors of events by the content of their tokens, and recent vectors of users.

Letters: R distinct event rows, D width.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from pragma_sql.formats.event_rows import RowKeys
from pragma_sql.formats.histories import Bool
from pragma_sql.formats.packing import Float

CACHE_BYTES = 256 * 2**20
"""Size of the cache: a million vectors of width 64."""


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


MAX_CACHED_USERS = 50_000
"""Most vectors of users that are kept: 25 MB at width 128."""

MAX_CHUNK_USERS = 64
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
        if len(users) > MAX_CHUNK_USERS or not self._nothing_changes:
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
            while len(self._vectors) > MAX_CACHED_USERS:
                self._vectors.popitem(last=False)

    @cached_property
    def _nothing_changes(self) -> bool:
        query = "select readonly from duckdb_databases() where database_name = current_database()"
        ((readonly,),) = self._cursor().execute(query).fetchall()
        return bool(readonly)
