"""`embed_record(struct)`: what `embed_records` calls."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from pragma_sql.formats.errors import PragmaError
from pragma_sql.serving.loaded_models import Models
from pragma_sql.serving.records import Record, read_record
from pragma_sql.warehouse.functions import register_function
from pragma_udfs.embed import list_array


def register_records(con: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Register `embed_record(struct)`: user vectors of JSON records; null in, null out."""

    def embed_record(asked: pa.StructArray) -> pa.Array:
        texts = asked.field("record")
        valid = texts.is_valid()
        records = [_record(text) for text in texts.drop_null().to_pylist()]
        if not records:
            return pa.nulls(len(texts), pa.list_(pa.float32()))
        return list_array(models.current().embed(records), valid)

    register_function(con, "embed_record", embed_record, ["STRUCT(record VARCHAR)"], "FLOAT[]")


def _record(text: str) -> Record:
    try:
        return read_record(text)
    except PragmaError as error:
        start = text if len(text) <= 60 else f"{text[:60]}..."
        raise PragmaError(f"embed_records: {error.what}, in {start}", error.next_step) from None
