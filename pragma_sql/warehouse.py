"""Reading a warehouse file from outside dbt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pragma_sql.errors import PragmaError


@contextmanager
def opened(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection, closed on leaving."""
    if not warehouse.is_file():
        raise PragmaError(f"there is no warehouse at {warehouse}", "pragma build")
    try:
        con = duckdb.connect(str(warehouse), read_only=True)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise PragmaError(
                f"{warehouse} is being written by another process",
                "wait for it to end, then try again",
            ) from None
        raise PragmaError(f"{warehouse} is not a DuckDB file: {error}", "pragma build") from None
    try:
        con.execute("set TimeZone = 'UTC'")
        yield con
    finally:
        con.close()


def warehouse_of(con: duckdb.DuckDBPyConnection) -> Path:
    """The file that a connection has open; everything else of the warehouse lies beside it."""
    sql = "select path from duckdb_databases() where database_name = current_database()"
    (path,) = con.cursor().execute(sql).fetchall()[0]
    if path is None:
        raise PragmaError(
            "this database is in memory, so nothing can lie beside it", "open a warehouse file"
        )
    return Path(path)


@dataclass(frozen=True)
class Tokenizer:
    """The one row of fit.tokenizer."""

    tokenizer_hash: str
    vocabulary_size: int
    fit_until: str
    """ISO moment, UTC."""
    split_rule: str
    spec: str
    bpe: str


def read_tokenizer(con: duckdb.DuckDBPyConnection) -> Tokenizer:
    """The tokenizer that the warehouse's tokens are of."""
    try:
        row = con.execute(
            "select tokenizer_hash, vocabulary_size, strftime(fit_until, '%Y-%m-%dT%H:%M:%S'),"
            " split_rule, spec, bpe from fit.tokenizer"
        ).fetchall()[0]
    except (duckdb.CatalogException, IndexError):
        raise PragmaError("the warehouse has no tokenizer yet", "pragma build") from None
    return Tokenizer(*row)
