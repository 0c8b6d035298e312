"""Registering functions on Arrow arrays with DuckDB, `bpe_encode` among them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps

import duckdb
import pyarrow as pa
from tokenizers import Tokenizer

from pragma_sql.formats.bpe import encode
from pragma_sql.formats.errors import PragmaError

ArrowFunction = Callable[..., pa.Array]


def register_function(
    con: duckdb.DuckDBPyConnection,
    name: str,
    function: ArrowFunction,
    parameters: Sequence[str],
    returns: str,
) -> ArrowFunction:
    """Register a scalar function that gets a chunk's Arrow arrays, nulls included.

    DuckDB calls the returned function and drops its reference when `con` is closed: keep one as
    long as other connections to the same database may call the function.

    Args:
        con: the connection; all its cursors and threads see the function.
        name: name of the function in SQL.
        function: takes one Arrow array per parameter and returns one of the same length.
        parameters: SQL types of the parameters.
        returns: SQL type of the result.
    """

    @wraps(function)  # DuckDB counts the parameters in the signature
    def on_whole_arrays(*columns: pa.Array | pa.ChunkedArray) -> pa.Array:
        return function(*(_whole(column) for column in columns))

    con.create_function(  # type: ignore[call-overload] # the texts do for every version of duckdb
        name,
        on_whole_arrays,
        [duckdb.sqltype(parameter) for parameter in parameters],
        duckdb.sqltype(returns),
        type="arrow",
        null_handling="special",
    )
    return on_whole_arrays


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def register_bpe_encode(
    con: duckdb.DuckDBPyConnection, load: Callable[[str], str]
) -> ArrowFunction:
    """Register `bpe_encode(text, bpe_hash)`; `load` gives the JSON of the BPE of a hash."""

    @lru_cache(maxsize=4)
    def tokenizer_of(bpe_hash: str) -> Tokenizer:
        bpe = load(bpe_hash)
        found = hashlib.sha256(bpe.encode()).hexdigest()
        if found != bpe_hash:
            raise PragmaError(
                f"bpe_encode was asked for BPE {bpe_hash[:12]}, but {found[:12]} is in force",
                "pragma build",
            )
        return Tokenizer.from_str(bpe)

    def bpe_encode(texts: pa.Array, hashes: pa.Array) -> pa.Array:
        return encode(texts, tokenizer_of(hashes[0].as_py()))

    return register_function(con, "bpe_encode", bpe_encode, ["VARCHAR", "VARCHAR"], "INTEGER[]")
