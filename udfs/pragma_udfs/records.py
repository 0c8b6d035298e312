"""`embed_record(struct)`: what `embed_records` calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.formats.errors import PragmaError
from pragma_sql.serving.loaded_models import Models
from pragma_sql.serving.online import parts_of
from pragma_sql.warehouse.functions import ArrowFunction, register_function
from pragma_udfs.embed import list_array

if TYPE_CHECKING:
    from pragma_sql.serving.records import Record


def register_records(con: duckdb.DuckDBPyConnection, models: Models) -> list[ArrowFunction]:
    """Register `embed_record(struct)`: user vectors of JSON records; a null gives a null."""

    def embed_record(asked: pa.StructArray) -> pa.Array:
        texts = asked.field("record")
        valid = texts.is_valid()
        given = texts.drop_null()
        if not len(given):
            return pa.nulls(len(texts), pa.list_(pa.float32()))
        scorer = models.current()
        vectors = [
            scorer.embed([_record(text) for text in given[part].to_pylist()])
            for part in parts_of(pc.binary_length(given).to_numpy().astype(np.int64))
        ]
        return list_array(np.concatenate(vectors), valid)

    parameters = ["STRUCT(record VARCHAR)"]
    return [register_function(con, "embed_record", embed_record, parameters, "FLOAT[]")]


def _record(text: str) -> Record:
    from pragma_sql.serving.records import read_record  # with pydantic, 0.2 seconds

    try:
        return read_record(text)
    except PragmaError as error:
        start = text if len(text) <= 60 else f"{text[:60]}..."
        raise PragmaError(f"embed_records: {error.what}, in {start}", error.next_step) from None
