"""The SQL functions of a warehouse: `bpe_train`, `bpe_encode` and `embed_history`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import duckdb

from pragma_sql.bundle import open_bundle
from pragma_sql.errors import PragmaError
from pragma_sql.registry import current_bundle
from pragma_sql.warehouse import warehouse_of
from pragma_udfs.bpe import register_bpe
from pragma_udfs.embed import register_embed
from pragma_udfs.scoring import Scorer


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection to a warehouse file its functions.

    Nothing is loaded before the first call, so tokens can be built before any model exists.
    """

    def load_bpe() -> str:
        rows = con.cursor().execute("select bpe from fit.tokenizer").fetchall()
        if not rows:
            raise PragmaError("fit.tokenizer is empty", "pragma build --refit")
        return str(rows[0][0])

    @lru_cache(maxsize=2)
    def scorer_of(folder: Path) -> Scorer:
        return Scorer(open_bundle(folder))

    def current() -> Scorer:
        return scorer_of(current_bundle(warehouse_of(con)))

    register_bpe(con, load_bpe)
    register_embed(con, current)
