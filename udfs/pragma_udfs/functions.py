"""The SQL functions of a warehouse.

`bpe_train` and `bpe_encode` for builds; `embed_user` under the macros `embed`, `embed_at` and
`embed_with`, `embed_record` under `embed_records`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import duckdb

from pragma_sql.formats.errors import PragmaError
from pragma_sql.serving.loaded_models import Models
from pragma_sql.warehouse.connection import CANDIDATE, warehouse_of
from pragma_udfs.bpe import register_bpe
from pragma_udfs.embed import register_embed
from pragma_udfs.records import register_records


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
