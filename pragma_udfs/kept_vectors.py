"""Vectors that were given before, for as long as nothing can have changed them.

A DuckDB file that is open read-only is written by nobody: neither by this process nor by another.
So a user and a moment have the same vector until the connection is closed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from pragma_sql.packing import Float

MOST_KEPT = 50_000
"""Vectors; 25 MB of width 128."""

FEW = 64
"""Users of a query's chunk up to which they are kept: a scan of all would push the others out."""

VectorKey = tuple[str, str | None, int | None]
"""Model, user and moment in microseconds."""


class KeptVectors:
    """The vectors that were given last; threads may share them."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._lock = threading.Lock()
        self._vectors: OrderedDict[VectorKey, Float | None] = OrderedDict()

    def given(
        self, model_id: str, users: pa.Array, moments: pa.Array, embed: Callable[[], pa.Array]
    ) -> pa.Array:
        """The vectors of these users at these moments, list<float32>; `embed` makes them anew."""
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

    def _keep(self, keys: Sequence[VectorKey], vectors: pa.Array) -> None:
        made = [None if v is None else np.array(v, np.float32) for v in vectors.to_pylist()]
        with self._lock:
            self._vectors.update(zip(keys, made, strict=True))
            while len(self._vectors) > MOST_KEPT:
                self._vectors.popitem(last=False)

    @cached_property
    def _nothing_changes(self) -> bool:
        query = "select readonly from duckdb_databases() where database_name = current_database()"
        ((readonly,),) = self._con.cursor().execute(query).fetchall()
        return bool(readonly)
