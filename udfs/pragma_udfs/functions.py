"""The SQL functions of a warehouse.

Builds call `bpe_train`, `bpe_encode` and `forecast_vector`; the macros `embed`, `embed_at` and
`embed_with` call `embed_user`, `embed_records` calls `embed_record`, and `forecast` and
`forecast_at` call `forecast_user`.
"""

from __future__ import annotations

import threading
import weakref
from functools import lru_cache
from pathlib import Path

import duckdb

from pragma_sql.formats.errors import PragmaError
from pragma_sql.scoring.caches import KeptVectors
from pragma_sql.serving.loaded_models import Models
from pragma_sql.warehouse.connection import CANDIDATE, warehouse_of
from pragma_sql.warehouse.functions import ArrowFunction
from pragma_udfs.bpe import register_bpe
from pragma_udfs.embed import register_embed
from pragma_udfs.forecast import register_forecast
from pragma_udfs.records import register_records


class Functions:
    """The functions of one open database file, and the connections that use them.

    DuckDB registers functions per database, not per connection: a second connection finds those of
    the first, and may call them after the first is closed. So they read through any connection that
    is still open, and are kept alive here, because DuckDB drops its reference with the first.
    """

    def __init__(self) -> None:
        self._connections: list[weakref.ref[duckdb.DuckDBPyConnection]] = []
        self._held: list[ArrowFunction] = []
        self._models = Models(lru_cache(maxsize=1)(self._warehouse))
        self._kept = KeptVectors(self.cursor)

    def add(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let the functions also read through this connection."""
        if not any(each() is con for each in self._connections):
            self._connections = [each for each in self._connections if each() is not None]
            self._connections.append(weakref.ref(con))

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of a connection that is open.

        Raises:
            PragmaError: every connection that uses the functions is closed.
        """
        for each in self._connections:
            con = each()
            if con is not None:
                try:
                    return con.cursor()
                except duckdb.ConnectionException:
                    continue
        raise PragmaError(
            "every connection that was given the functions is closed",
            "pragma_udfs.functions.register(con), with the connection that asks",
        )

    def register(self, con: duckdb.DuckDBPyConnection) -> None:
        """Create the functions in the connection's database.

        Nothing is loaded before the first call, so tokens can be built before a model exists.
        """
        self._held += register_bpe(con, self._load_bpe)
        embed = register_embed(con, self._models, self._kept, self.cursor)
        self._held += [embed, *register_forecast(con, self._models, embed, self.cursor)]
        self._held += register_records(con, self._models)

    def forget_if_closed(self) -> None:
        """Release models and vectors if no connection is open."""
        try:
            self.cursor()
        except PragmaError:
            self._models.forget()
            self._kept.forget()

    def _warehouse(self) -> Path:
        return warehouse_of(self.cursor())

    def _load_bpe(self, bpe_hash: str) -> str:
        cursor = self.cursor()
        schemas = "select schema_name from duckdb_tables() where table_name = 'bpe' order by all"
        rows = []
        for (schema,) in cursor.execute(schemas).fetchall():
            if schema in ("fit", CANDIDATE):
                rows += cursor.execute(f"select bpe_hash, bpe from {schema}.bpe").fetchall()  # noqa: S608
        if not rows:
            raise PragmaError("fit.bpe is empty", "pragma build --refit")
        found = dict(rows)
        return str(found.get(bpe_hash, rows[0][1]))


_REGISTERED: dict[str, Functions] = {}
"""The functions by database file, as DuckDB opens each file once in a process."""
_LOCK = threading.Lock()


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection to a warehouse its functions, or those that another one registered."""
    with _LOCK:
        path = "select path from duckdb_databases() where database_name = current_database()"
        ((file,),) = con.cursor().execute(path).fetchall()
        there = "select 1 from duckdb_functions() where function_name = 'embed_user' limit 1"
        key = file or f"in memory, {id(con)}"
        if con.cursor().execute(there).fetchall() and key in _REGISTERED:
            _REGISTERED[key].add(con)
            return
        for other in _REGISTERED.values():
            other.forget_if_closed()
        functions = Functions()
        functions.add(con)
        functions.register(con)
        _REGISTERED[key] = functions
