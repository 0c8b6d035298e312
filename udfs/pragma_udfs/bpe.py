"""Byte-level BPE as SQL functions.

`bpe_train(texts, vocabulary_size, taken)` and `bpe_encode(text, bpe_hash)`.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa

from pragma_sql.formats.bpe import train
from pragma_sql.warehouse.functions import ArrowFunction, register_bpe_encode, register_function


def register_bpe(con: duckdb.DuckDBPyConnection, load: Callable[[str], str]) -> list[ArrowFunction]:
    """Register both functions; `load` gives the JSON of the BPE of a hash."""

    def bpe_train(texts: pa.Array, sizes: pa.Array, taken: pa.Array) -> pa.Array:
        rows = zip(texts.to_pylist(), sizes.to_pylist(), taken.to_pylist(), strict=True)
        return pa.array([train(*row) for row in rows], pa.string())

    parameters = ["VARCHAR[]", "INTEGER", "INTEGER"]
    return [
        register_bpe_encode(con, load),
        register_function(con, "bpe_train", bpe_train, parameters, "VARCHAR"),
    ]
