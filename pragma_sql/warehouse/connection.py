"""Read-only access to a warehouse file from outside dbt, and DuckDB's extensions for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
import duckdb
from pragma_sql.formats.errors import PragmaError
from importlib.resources import files
from importlib.util import find_spec

@contextmanager
def open_warehouse(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
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
    """The file that a connection has open; all other files of the warehouse lie beside it."""
    sql = "select path from duckdb_databases() where database_name = current_database()"
    (path,) = con.cursor().execute(sql).fetchall()[0]
    if path is None:
        raise PragmaError(
            "this database is in memory, so nothing can lie beside it", "open a warehouse file"
        )
    return Path(path)


@dataclass(frozen=True)
class Tokenizer:
    """The row of fit.tokenizer."""

    tokenizer_hash: str
    vocabulary_size: int
    fit_until: str
    """The cut-off as an ISO moment, UTC."""
    split_rule: str
    spec: str
    bpe: str


CANDIDATE = "fit_next"
"""The schema of a new tokenizer, which waits for its model while the one in force serves."""

CANDIDATE_TOKENS = "next_"
"""What the names of a candidate's tables in the schema `tokens` begin with."""


def candidate_of(con: duckdb.DuckDBPyConnection) -> Tokenizer | None:
    """The tokenizer that waits for its model; None if there is no complete one."""
    return read_tokenizer(con, CANDIDATE) if is_fitted(con, CANDIDATE) else None


def is_fitted(con: duckdb.DuckDBPyConnection, schema: str = "fit") -> bool:
    """Whether the schema holds a complete tokenizer, and not the remains of a failed build."""
    query = "select table_name from duckdb_tables() where schema_name = $schema"
    tables = {name for (name,) in con.execute(query, {"schema": schema}).fetchall()}
    return "tokenizer" in tables and "unfinished" not in tables


def read_tokenizer(con: duckdb.DuckDBPyConnection, schema: str = "fit") -> Tokenizer:
    """The tokenizer of the warehouse's tokens, or of another schema."""
    fit_until = "strftime(fit_until, '%Y-%m-%dT%H:%M:%S')"
    columns = f"tokenizer_hash, vocabulary_size, {fit_until}, split_rule, spec, bpe"
    query = f"select {columns} from {schema}.tokenizer"  # noqa: S608 - names of ours
    try:
        row = con.execute(query).fetchall()[0]
    except (duckdb.CatalogException, IndexError):
        raise PragmaError("the warehouse has no tokenizer yet", "pragma build") from None
    return Tokenizer(*row)


MADE_BY = (
    "select tokenizer from tokens.event_tokens limit 1",
    # As older versions recorded it; the next build moves it.
    "select left(tokenizer_hash, 12) from tokens.built where relation = 'event_tokens'",
)


def tokenizer_of_tokens(con: duckdb.DuckDBPyConnection) -> str | None:
    """The first 12 digits of the hash of the tokenizer that made the tokens; None without tokens."""
    for query in MADE_BY:
        try:
            rows = con.execute(query).fetchall()
        except (duckdb.BinderException, duckdb.CatalogException):
            continue
        return str(rows[0][0]) if rows else None
    return None


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Load an extension that DuckDB has installed, or that its Python package carries.

    The package is `duckdb-extension-<name>` of exactly the same version as DuckDB: extensions are
    signed, and that of another version is refused.

    Returns:
        Whether it is loaded now.
    """
    query = "select loaded, installed from duckdb_extensions() where extension_name = $name"
    found = con.execute(query, {"name": name}).fetchall()
    if found and found[0][0]:
        return True
    sources = [name] if found and found[0][1] else []
    package = f"duckdb_extension_{name}"
    if find_spec(package) is not None:
        path = files(package) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        sources.append(str(path))
    for source in sources:
        try:
            con.load_extension(source)
        except duckdb.Error:
            continue
        return True
    return False


def need_extension(con: duckdb.DuckDBPyConnection, name: str, command: str) -> None:
    """Load an extension, or raise an error that says how to install it."""
    if not load_extension(con, name):
        raise PragmaError(
            f"{command} needs DuckDB's extension {name}, which is not installed",
            f"pip install 'pragma-sql[serve]', or in DuckDB {duckdb.__version__}: install {name}",
        )
