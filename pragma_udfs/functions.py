"""The SQL functions of a warehouse.

`bpe_train` and `bpe_encode` for builds; `embed_user` under the macros `embed`, `embed_at` and
`embed_with`, `embed_record` under `embed_records`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from pragma_sql.errors import PragmaError
from pragma_sql.warehouse import CANDIDATE, warehouse_of
from pragma_udfs.arrow import register_function
from pragma_udfs.bpe import register_bpe
from pragma_udfs.embed import list_array, register_embed
from pragma_udfs.models import Models
from pragma_udfs.records import Record, read_record


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection to a warehouse file its functions.

    Nothing is loaded before the first call, so tokens can be built before any model exists.
    """

    def load_bpe(bpe_hash: str) -> str:
        cursor = con.cursor()
        schemas = "select schema_name from duckdb_tables() where table_name = 'bpe' order by all"
        rows = []
        for (schema,) in cursor.execute(schemas).fetchall():
            if schema in ("fit", CANDIDATE):
                rows += cursor.execute(f"select bpe_hash, bpe from {schema}.bpe").fetchall()  # noqa: S608
        if not rows:
            raise PragmaError("fit.bpe is empty", "pragma build --refit")
        found = dict(rows)
        return str(found.get(bpe_hash, rows[0][1]))

    @lru_cache(maxsize=1)
    def warehouse() -> Path:
        return warehouse_of(con)

    models = Models(warehouse)
    register_bpe(con, load_bpe)
    register_embed(con, models)
    register_records(con, models)


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
