"""`embed_history(struct)`: the SQL function under `embed(user_id)` and `embed_at(user_id, ts)`."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.histories import Histories
from pragma_sql.packing import Float
from pragma_udfs.arrow import register_function
from pragma_udfs.models import Models
from pragma_udfs.scoring import Scorer

HISTORY = {
    "user_id": "VARCHAR",
    "ts": "TIMESTAMP[]",
    "hour": "UTINYINT[]",
    "weekday": "UTINYINT[]",
    "monthday": "UTINYINT[]",
    "event_lengths": "UTINYINT[]",
    "key_ids": "INTEGER[]",
    "value_ids": "INTEGER[]",
    "positions": "UTINYINT[]",
    "texts": "VARCHAR[]",
    "profile_as_of": "TIMESTAMP[]",
    "profile_ts": "TIMESTAMP[]",
    "profile_lengths": "UTINYINT[]",
    "profile_key_ids": "INTEGER[]",
    "profile_value_ids": "INTEGER[]",
    "profile_positions": "UTINYINT[]",
    "profile_texts": "VARCHAR[]",
    "tokenizer_hash": "VARCHAR",
    "moment": "TIMESTAMP",
}
"""A row of `tokens.user_tokens` and the moment to score it at; null means after all of it."""

HISTORY_TYPE = f"STRUCT({', '.join(f'{name} {kind}' for name, kind in HISTORY.items())})"


TOKENS_A_SLICE = 1_048_576
"""Event tokens that are looked at together: a chunk of users may hold any number."""


def embed(rows: pa.StructArray, scorer: Scorer) -> pa.Array:
    """User vectors of histories, list<float32>[d]; null in, null out."""
    valid = rows.is_valid()
    known = rows.filter(valid)
    for tokenizer_hash in pc.unique(known.field("tokenizer_hash")).to_pylist():
        scorer.check_hash(tokenizer_hash)
    parts = [_vectors(part, scorer) for part in _slices(known)]
    return list_array(np.concatenate(parts), valid)


def list_array(vectors: Float, valid: pa.BooleanArray) -> pa.Array:
    """Vectors [n, d] as list<float32>[d] of the valid rows, null in the others."""
    given = valid.to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(given * vectors.shape[1])])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(vectors.ravel()), mask=pc.invert(valid)
    )


def _slices(rows: pa.StructArray) -> Iterator[pa.StructArray]:
    """Consecutive rows of about `TOKENS_A_SLICE` tokens together; one row at the least."""
    lengths = np.asarray(rows.field("key_ids").value_lengths().fill_null(0), np.int64)
    number = (np.cumsum(lengths) - lengths) // TOKENS_A_SLICE
    starts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist()]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield rows.slice(start, end - start)


def _vectors(rows: pa.StructArray, scorer: Scorer) -> Float:
    histories = Histories.from_arrow(rows, scorer.texts)
    asked = rows.field("moment").cast(pa.timestamp("us")).cast(pa.int64())
    moments = np.where(
        asked.is_valid().to_numpy(zero_copy_only=False),
        asked.fill_null(0).to_numpy(zero_copy_only=False),
        histories.latest_moments(),
    )
    return scorer.score(histories, moments)


def register_embed(con: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Register `embed_history(struct)` and `embed_history_with(model_id, struct)`.

    A model is asked for at the first row.
    """

    def embed_history(rows: pa.StructArray) -> pa.Array:
        if rows.null_count == len(rows):
            return pa.nulls(len(rows), pa.list_(pa.float32()))
        return embed(rows, models.current().scorer)

    def embed_history_with(ids: pa.Array, rows: pa.StructArray) -> pa.Array:
        vectors: list[object] = [None] * len(rows)
        for model_id in pc.unique(ids).drop_null().to_pylist():
            places = np.flatnonzero(np.asarray(pc.equal(ids, model_id).fill_null(False)))
            found = embed(rows.take(pa.array(places)), models.of(model_id).scorer).to_pylist()
            for place, vector in zip(places, found, strict=True):
                vectors[place] = vector
        return pa.array(vectors, pa.list_(pa.float32()))

    kinds = ["VARCHAR", HISTORY_TYPE]
    register_function(con, "embed_history", embed_history, [HISTORY_TYPE], "FLOAT[]")
    register_function(con, "embed_history_with", embed_history_with, kinds, "FLOAT[]")
