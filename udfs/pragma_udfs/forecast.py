"""`forecast_user(struct)` and `forecast_vector(vector, model)`: what SQL's forecasts call."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.formats.activity import FORECAST_TYPE
from pragma_sql.formats.errors import PragmaError
from pragma_sql.scoring.forecaster import FORECAST
from pragma_sql.serving.loaded_models import Models
from pragma_sql.warehouse.functions import ArrowFunction, register_function
from pragma_udfs.embed import ASKED

NEWEST = "select max(ts) + interval 1 microsecond from tokens.event_tokens"
"""The moment of a forecast without one: just after the newest event of the warehouse."""


def register_forecast(
    con: duckdb.DuckDBPyConnection,
    models: Models,
    embed_user: ArrowFunction,
    cursor: Callable[[], duckdb.DuckDBPyConnection],
) -> list[ArrowFunction]:
    """Register both functions; a null model means the current one, a null vector gives null.

    Args:
        con: the connection.
        models: the registered models.
        embed_user: the function of that name in SQL.
        cursor: gives a cursor of an open connection, for the newest moment.
    """

    def forecast_user(asked: pa.StructArray) -> pa.Array:
        users, moments, ids = (asked.field(name) for name in ASKED)
        if users.null_count == len(users):
            return pa.nulls(len(users), FORECAST)
        if moments.null_count:
            ((newest,),) = cursor().execute(NEWEST).fetchall()
            moments = pc.fill_null(moments, pa.scalar(newest, moments.type))
        whole = pa.StructArray.from_arrays([users, moments, ids], names=list(ASKED))
        return forecast_vector(embed_user(whole), ids)

    def forecast_vector(vectors: pa.Array, ids: pa.Array) -> pa.Array:
        parts, places = [], []
        named = ids.fill_null("")
        for model_id in pc.unique(named).to_pylist():
            own = np.flatnonzero(np.asarray(pc.and_(pc.equal(named, model_id), vectors.is_valid())))
            if not len(own):
                continue
            model = models.of(model_id) if model_id else models.current()
            lists = vectors.take(pa.array(own))
            width = model.scorer.manifest.embedding_size
            flat = np.asarray(lists.flatten(), np.float32)
            if len(flat) != width * len(own):
                raise PragmaError(
                    f"forecast_vector: vectors of model {model.scorer.manifest.model_id} hold "
                    f"{width} numbers, these hold {len(flat) // len(own)}",
                    "the id of the vectors' own model",
                )
            parts.append(model.forecaster.forecasts(flat.reshape(-1, width)))
            places.append(own)
        if not parts:
            return pa.nulls(len(vectors), FORECAST)
        row = np.full(len(vectors), -1)
        row[np.concatenate(places)] = np.arange(sum(map(len, places)))
        return pa.concat_arrays(parts).take(pa.array(row, mask=row < 0))

    struct = f"STRUCT({', '.join(f'{name} {kind}' for name, kind in ASKED.items())})"
    return [
        register_function(con, "forecast_user", forecast_user, [struct], FORECAST_TYPE),
        register_function(
            con, "forecast_vector", forecast_vector, ["FLOAT[]", "VARCHAR"], FORECAST_TYPE
        ),
    ]
