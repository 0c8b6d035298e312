"""The patterns of files that a view reads, taken from DuckDB's own parse of its SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
import duckdb
import hashlib
import os
import time
from collections.abc import Sequence
import pyarrow as pa

READERS = {
    "read_parquet", "parquet_scan", "read_csv", "read_csv_auto", "read_json", "read_json_auto",
}  # fmt: skip
NODES = {
    "SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "ORDER_MODIFIER", "DISTINCT_MODIFIER",
    "TABLE_FUNCTION", "BASE_TABLE", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST",
}  # fmt: skip
NOT_LOCATED = ("_NODE", "_MODIFIER")
EXPRESSIONS = {
    "CAST", "COLUMN_REF", "FUNCTION", "CONSTANT", "WINDOW", "LAMBDA", "LAMBDA_REF", "CASE",
    "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "COLLATE", "STAR", "SUBQUERY",
}  # fmt: skip
OF_THE_MOMENT = {
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "user",
    "current_user", "session_user", "current_role", "current_catalog", "current_schema",
}  # fmt: skip
OF_THE_SESSION = {"getvariable", "current_setting", "getenv"}

Json = Mapping[str, object]


class UncertainError(Exception):
    """It is uncertain what a relation reads."""


@dataclass
class Reading:
    """What the definitions of a relation read."""

    texts: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)


def read_of(con: duckdb.DuckDBPyConnection, view: str) -> Reading:
    """What a view reads, through other views too.

    Raises:
        UncertainError: it may read something other than files, or give other rows from them later.
    """
    reading = Reading()
    _read_view(con, view, reading)
    _check_functions(con, reading.functions)
    return reading


def _read_view(con: duckdb.DuckDBPyConnection, relation: str, reading: Reading) -> None:
    schema, _, name = relation.rpartition(".")
    found = con.execute(
        "select sql from duckdb_views() where database_name = current_database()"
        " and schema_name = $schema and view_name = $name",
        {"schema": schema, "name": name},
    ).fetchall()
    if not found:
        raise UncertainError
    _, _, text = found[0][0].partition(" AS ")
    reading.texts.append(text)
    parsed = json.loads(one(con, "select json_serialize_sql($sql)", {"sql": text.rstrip("; \n")}))
    if parsed["error"]:
        raise UncertainError
    nodes = list(_nodes(parsed["statements"]))
    steps = _step_names(parsed["statements"])
    for node in nodes:
        kind = str(node.get("class") or node["type"])
        if kind not in (EXPRESSIONS if node.get("class") else NODES) or node.get("sample"):
            raise UncertainError
        if kind in ("FUNCTION", "WINDOW"):
            reading.functions.add(str(node["function_name"]))
        elif kind == "COLUMN_REF":
            names = node["column_names"]
            if isinstance(names, list) and str(names[-1]).lower() in OF_THE_MOMENT:
                raise UncertainError
        elif kind == "BASE_TABLE":
            _read_table(con, node, steps, reading)
        elif kind == "TABLE_FUNCTION":
            reading.patterns += _patterns(node)


def _read_table(
    con: duckdb.DuckDBPyConnection, node: Json, steps: set[str], reading: Reading
) -> None:
    catalog, schema, name = (
        str(node[part] or "") for part in ("catalog_name", "schema_name", "table_name")
    )
    if not schema and name in steps:
        return
    here = one(con, "select current_database()")
    if catalog not in ("", here) or not schema:
        raise UncertainError
    _read_view(con, f"{schema}.{name}", reading)


def _nodes(tree: object) -> Iterator[Json]:
    """All nodes of a parsed statement; a reader of files and its arguments are separate nodes."""
    if isinstance(tree, list):
        for each in tree:
            yield from _nodes(each)
    elif isinstance(tree, dict):
        kind = tree.get("type")
        if isinstance(kind, str) and ("query_location" in tree or kind.endswith(NOT_LOCATED)):
            yield tree
        if tree.get("class") == "CONSTANT":
            return
        for name, each in tree.items():
            if tree.get("type") == "TABLE_FUNCTION" and name == "function":
                yield from _nodes(each["children"])
            elif name not in ("type", "cast_type"):
                yield from _nodes(each)


def _step_names(tree: object) -> set[str]:
    """The names that WITH clauses define."""
    if isinstance(tree, list):
        return set().union(*map(_step_names, tree))
    if not isinstance(tree, dict):
        return set()
    found = set().union(*map(_step_names, tree.values()))
    steps = tree.get("cte_map")
    return found | {step["key"] for step in steps["map"]} if isinstance(steps, dict) else found


def _patterns(node: Json) -> list[str]:
    function = node["function"]
    assert isinstance(function, dict)
    if function["function_name"] not in READERS or not function["children"]:
        raise UncertainError
    first = function["children"][0]
    constants = first["children"] if first.get("function_name") == "list_value" else [first]
    if any(each.get("class") != "CONSTANT" for each in constants):
        raise UncertainError
    patterns = [each["value"]["value"] for each in constants]
    if not all(isinstance(each, str) and Path(each).is_absolute() for each in patterns):
        raise UncertainError
    return patterns


def _check_functions(con: duckdb.DuckDBPyConnection, names: set[str]) -> None:
    """Raise unless all functions are the engine's own and deterministic."""
    known = con.execute(
        "select function_name from duckdb_functions() where internal"
        " and function_type in ('scalar', 'aggregate') group by all"
        " having bool_and(stability = 'CONSISTENT')"
    ).fetchall()
    if names - {name for (name,) in known} - {"unnest"} or names & OF_THE_SESSION:
        raise UncertainError
    own = con.execute("select function_name from duckdb_functions() where not internal").fetchall()
    if names & {name for (name,) in own}:
        raise UncertainError


def one(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, str] | None = None
) -> str:
    ((value,),) = con.execute(query, parameters).fetchall()
    return str(value)


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
"""A file written to less than this long ago may change again without a trace in its times."""

TAIL = 1 << 16


def source_files(con: duckdb.DuckDBPyConnection, relation: str, *, by_file: bool) -> pa.Table:
    """One row per file that a view reads; no rows if that is uncertain.

    Args:
        con: a connection that sees the view.
        relation: the view, as `schema.name`.
        by_file: whether the view has a column `file` and the rows of one file do not depend on the
            other files, as long as the common types of the columns stay the same.
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
    """A hash of how files are read: the texts of views, the engine and its settings."""
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
    """The hash of a parquet file's footer, or of the end of a file of another format."""
    with open(path, "rb") as file:
        file.seek(max(size - 8, 0))
        end = file.read(8)
        length = TAIL
        if end.endswith(b"PAR1"):
            length = int.from_bytes(end[:4], "little") + 8
        file.seek(max(size - length, 0))
        return hashlib.blake2b(file.read(length), digest_size=16).hexdigest()
