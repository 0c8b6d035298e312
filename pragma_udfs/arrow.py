"""Registering a function on Arrow arrays with DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

import duckdb
import pyarrow as pa

ArrowFunction = Callable[..., pa.Array]


def register_function(
    con: duckdb.DuckDBPyConnection,
    name: str,
    function: ArrowFunction,
    parameters: Sequence[str],
    returns: str,
) -> None:
    """Register a scalar function that gets whole Arrow arrays of a chunk, nulls included.

    Args:
        con: the connection; all its cursors and threads see the function.
        name: what SQL calls it.
        function: takes one Arrow array a parameter and gives one of the same length.
        parameters: SQL types.
        returns: SQL type.
    """

    @wraps(function)  # DuckDB counts the parameters of the signature
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


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
