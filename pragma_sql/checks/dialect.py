"""A dialect of SQLAlchemy with which Great Expectations reads DuckDB.

Importing this module makes it known, also to a project of your own:
`pragma_duckdb:////folder/pragma.duckdb`.
"""

from __future__ import annotations

from duckdb_engine import Dialect
from sqlalchemy.dialects import registry

DIALECT = "pragma_duckdb"


class InProcessDialect(Dialect):
    """DuckDB for a library that fetches rows after its transaction has ended.

    A rollback would drop the rows not yet fetched, so transactions are switched off.
    """

    supports_statement_cache = False

    def do_begin(self, dbapi_connection: object) -> None:
        """Do nothing: there are no transactions."""

    def do_commit(self, dbapi_connection: object) -> None:
        """Do nothing: there are no transactions."""

    def do_rollback(self, dbapi_connection: object) -> None:
        """Do nothing: there are no transactions."""


registry.register(DIALECT, __name__, InProcessDialect.__name__)
