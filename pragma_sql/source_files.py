"""The files that a relation reads, and what tells that one of them is as it was.

A checksum over all that events say has to read them; of a file that nobody wrote to since, it is
known. Only what is certain counts: a query over files of this machine, by functions that give the
same each time. Of any other query nothing is said here, and it is asked again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pragma_sql.files_read import Reading, UncertainError, one, read_of

SCHEMA = pa.schema(
    {
        "read_as": pa.string(),
        "path": pa.string(),
        "device": pa.uint64(),
        "inode": pa.uint64(),
        "size": pa.int64(),
        "mtime_ns": pa.int64(),
        "ctime_ns": pa.int64(),
        "tail": pa.string(),
        "definition": pa.string(),
        "settled": pa.bool_(),
    }
)
SETTLED_NS = 2_000_000_000
"""A file that was written to a moment ago may be again without a trace in its times."""

TAIL = 1 << 16


def source_files(con: duckdb.DuckDBPyConnection, relation: str, *, by_file: bool) -> pa.Table:
    """One row a file that a view reads; none where that is not certain.

    Args:
        con: a connection that sees the view.
        relation: the view, as `schema.name`.
        by_file: whether the view has a column `file` and gives of each file the same rows, whatever
            other files there are, as long as their columns have the same types together.
    """
    now = time.time_ns()
    with con.cursor() as cursor:
        try:
            reading = read_of(cursor, relation)
            paths = _paths(cursor, reading.patterns)
            definition = _definition(cursor, reading, by_file=by_file)
            rows = [_row(path, definition, now, by_file=by_file) for path in paths]
        except (UncertainError, OSError, duckdb.Error):
            rows = []
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _paths(con: duckdb.DuckDBPyConnection, patterns: Sequence[str]) -> list[str]:
    if not patterns:
        raise UncertainError
    found = [
        row
        for pattern in patterns
        for row in con.execute("select file from glob($p)", {"p": pattern}).fetchall()
    ]
    return sorted({path for (path,) in found})


def _definition(con: duckdb.DuckDBPyConnection, reading: Reading, *, by_file: bool) -> str:
    """What was read, and how: by the texts of views, the engine and its settings."""
    parts: list[object] = [*reading.texts]
    parts.append(one(con, "select version() || ' ' || current_setting('TimeZone')"))
    parts.append(str(one(con, "select hash('pragma', map {'a': 'b'})")))
    if by_file:
        if len(reading.patterns) != 1:
            raise UncertainError
        query = "describe from read_parquet($p, union_by_name = true, hive_partitioning = false)"
        parts.append(con.execute(query, {"p": reading.patterns[0]}).fetchall())
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _row(path: str, definition: str, now: int, *, by_file: bool) -> dict[str, object]:
    status = os.stat(path)
    return {
        "read_as": path if by_file else "",
        "path": path,
        "device": status.st_dev,
        "inode": status.st_ino,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "tail": _tail(path, status.st_size),
        "definition": definition,
        "settled": now - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS,
    }


def _tail(path: str, size: int) -> str:
    """The hash of a parquet file's footer, or of the end of another file."""
    with open(path, "rb") as file:
        file.seek(max(size - 8, 0))
        end = file.read(8)
        length = TAIL
        if end.endswith(b"PAR1"):
            length = int.from_bytes(end[:4], "little") + 8
        file.seek(max(size - length, 0))
        return hashlib.blake2b(file.read(length), digest_size=16).hexdigest()
