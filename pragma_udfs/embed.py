"""`embed_history(struct)`: the SQL function under `embed(user_id)` and `embed_at(user_id, ts)`."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.histories import Histories
from pragma_udfs.arrow import register_function
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


def embed(rows: pa.StructArray, scorer: Scorer) -> pa.Array:
    """User vectors of histories, list<float32>[d]; null in, null out."""
    valid = rows.is_valid()
    known = rows.filter(valid)
    for tokenizer_hash in pc.unique(known.field("tokenizer_hash")).to_pylist():
        scorer.check_hash(tokenizer_hash)
    histories = Histories.from_arrow(known, scorer.texts)
    asked = known.field("moment").cast(pa.timestamp("us")).cast(pa.int64())
    moments = np.where(
        asked.is_valid().to_numpy(zero_copy_only=False),
        asked.fill_null(0).to_numpy(zero_copy_only=False),
        histories.latest_moments(),
    )
    vectors = scorer.score(histories, moments)
    width = vectors.shape[1]
    offsets = np.concatenate([[0], np.cumsum(valid.to_numpy(zero_copy_only=False) * width)])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(vectors.ravel()), mask=pc.invert(valid)
    )


def register_embed(con: duckdb.DuckDBPyConnection, current: Callable[[], Scorer]) -> None:
    """Register `embed_history`; `current` gives the model in force, asked for at the first row."""

    def embed_history(rows: pa.StructArray) -> pa.Array:
        if rows.null_count == len(rows):
            return pa.nulls(len(rows), pa.list_(pa.float32()))
        return embed(rows, current())

    register_function(con, "embed_history", embed_history, [HISTORY_TYPE], "FLOAT[]")
