"""`embed_user(struct)`: what `embed`, `embed_at` and `embed_with` call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.formats.histories import EVENTS_AT_ONCE, NO_TIME, Histories, Int
from pragma_sql.formats.packing import Float
from pragma_sql.scoring.caches import KeptVectors
from pragma_sql.scoring.reader import TokenReader
from pragma_sql.scoring.scorer import Scorer
from pragma_sql.serving.loaded_models import Models
from pragma_sql.warehouse.functions import ArrowFunction, register_function

ASKED = {"user_id": "VARCHAR", "moment": "TIMESTAMP", "model_id": "VARCHAR"}
"""The fields of a request. A null moment means: after all that is known of the user."""


def embed(users: pa.Array, moments: pa.Array, scorer: Scorer, reader: TokenReader) -> pa.Array:
    """User vectors, list<float32>[d]; null for a null id and for a user without tokens.

    Repeated pairs of user and moment are scored once.

    Args:
        users: ids, [n].
        moments: timestamps [n]; null means after all that is known of the user.
        scorer: the model.
        reader: reads the users' tokens.
    """
    scorer.check_hash(reader.tokenizer_hash())
    coded = users.drop_null().dictionary_encode()
    asked = np.full(len(users), -1)
    asked[users.is_valid().to_numpy(zero_copy_only=False)] = np.asarray(coded.indices, np.int64)
    at = moments.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(NO_TIME)
    pairs, pair = np.unique(
        np.stack([asked, np.asarray(at, np.int64)], axis=1), axis=0, return_inverse=True
    )
    vectors = np.zeros((len(pairs), scorer.manifest.embedding_size), np.float32)
    known = np.zeros(len(pairs), np.bool_)
    for part in reader.slices(coded.dictionary, scorer.texts):
        rows = np.flatnonzero(np.isin(pairs[:, 0], part.users))
        owners = np.searchsorted(part.users, pairs[rows, 0])
        for group in _groups(part.histories, owners):
            chosen = rows[group]
            vectors[chosen] = _score(part.histories, owners[group], pairs[chosen, 1], scorer)
        known[rows] = True
    pair = pair.ravel()
    return list_array(vectors[pair[known[pair]]], pa.array(known[pair]))


def list_array(vectors: Float, valid: pa.BooleanArray) -> pa.Array:
    """Vectors [n, d] as list<float32>[d]; null in rows that are not valid."""
    given = valid.to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(given * vectors.shape[1])])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(vectors.ravel()), mask=pc.invert(valid)
    )


def _groups(histories: Histories, owners: Int) -> Iterator[Int]:
    """Groups of pairs with about `EVENTS_AT_ONCE` events, as one user may be asked for often."""
    events = np.cumsum(np.diff(histories.event_offsets)[owners])
    yield from np.split(
        np.arange(len(owners)), np.flatnonzero(np.diff(events // EVENTS_AT_ONCE)) + 1
    )


def _score(histories: Histories, owners: Int, moments: Int, scorer: Scorer) -> Float:
    every = len(owners) == len(histories) and bool((np.diff(owners) == 1).all())
    chosen = histories if every else histories.select(owners)
    return scorer.score(chosen, np.where(moments == NO_TIME, chosen.latest_moments(), moments))


def register_embed(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    kept: KeptVectors,
    cursor: Callable[[], duckdb.DuckDBPyConnection],
) -> ArrowFunction:
    """Register `embed_user(struct)`; a null model means the current one.

    A model is loaded when a user is first asked for. Tokens are read through `cursor`.
    """
    reader = TokenReader(cursor)

    def given(users: pa.Array, moments: pa.Array, scorer: Scorer) -> pa.Array:
        return kept.given(
            scorer.manifest.model_id, users, moments, lambda: embed(users, moments, scorer, reader)
        )

    def embed_user(asked: pa.StructArray) -> pa.Array:
        users, moments, ids = (asked.field(name) for name in ASKED)
        if users.null_count == len(users):
            return pa.nulls(len(users), pa.list_(pa.float32()))
        if ids.null_count == len(ids):
            return given(users, moments, models.current().scorer)
        vectors: list[object] = [None] * len(users)
        for model_id in pc.unique(ids).drop_null().to_pylist():
            places = np.flatnonzero(np.asarray(pc.equal(ids, model_id).fill_null(False)))
            own = pa.array(places)
            scorer = models.of(model_id).scorer
            found = given(users.take(own), moments.take(own), scorer).to_pylist()
            for place, vector in zip(places, found, strict=True):
                vectors[place] = vector
        return pa.array(vectors, pa.list_(pa.float32()))

    struct = f"STRUCT({', '.join(f'{name} {kind}' for name, kind in ASKED.items())})"
    return register_function(con, "embed_user", embed_user, [struct], "FLOAT[]")
