"""Checks of source files before a build: they must exist, be readable and have the columns.

Only the footers are read, so a check takes milliseconds per file, whatever its size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from glob import glob
from pathlib import Path
from types import MappingProxyType

import duckdb

from pragma_sql.formats.errors import PragmaError, count_of

FAMILIES = (
    (r"timestamp with time zone|timestamptz|timestamp_\w+|timestamp|datetime|date", "moment"),
    (r"u?(tiny|small|big|huge)int|u?integer|int", "integer"),
    (r"decimal\([\d, ]+\)|double|float|real", "number"),
    (r"enum\([^)]*\)|json|varchar|text|string", "text"),
)
"""Types that a build may cast into one another: pattern -> family, also in nested types."""


READ = "read_parquet($file, hive_partitioning = false)"

REASONS = {
    "as_of": "add as_of, from when on the attributes hold; without it nobody can tell what was "
    "known at a moment",
}
"""How to add a column that files often lack."""


def check_source(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    optional: Mapping[str, str] = MappingProxyType({}),
    *,
    may_be_empty: bool = False,
) -> None:
    """Raise unless parquet files exist, are readable, are not empty and have these columns.

    Args:
        con: any connection; nothing is written.
        path: a file, a folder of them at any depth, or a pattern with `*`.
        columns: name -> DuckDB type, or several joined by "or"; further columns are allowed.
        optional: columns that may be absent.
        may_be_empty: whether files without rows are allowed.

    Raises:
        PragmaError: names the file, what is wrong with it and what to do.
    """
    files = _files(path)
    rows = 0
    for file in files:
        found, count = _footer(con, file)
        _check_columns(file, columns, optional, found)
        rows += count
    if not rows and not may_be_empty:
        raise PragmaError(
            f"{path} is empty: 0 rows in {count_of(len(files), 'file')}", "export it again"
        )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise PragmaError(f"{path} holds no *.parquet file", "give the folder that they lie in")
        return files
    files = sorted(Path(name) for name in glob(str(path), recursive=True))
    if files:
        return files
    beside = [file.name for file in path.parent.glob("*")]
    near = get_close_matches(path.name, beside, 1)
    hint = f"did you mean {path.parent / near[0]}?" if near else "check the path"
    raise PragmaError(f"{path}: there is no such file", hint)


def _footer(con: duckdb.DuckDBPyConnection, file: Path) -> tuple[dict[str, str], int]:
    """The columns of a file, name -> type, and its number of rows."""
    name = {"file": str(file)}
    try:
        described = con.execute(f"describe from {READ}", name).fetchall()
        ((rows,),) = con.execute(f"select count(*) from {READ}", name).fetchall()  # noqa: S608
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise PragmaError(
            f"{file} is not a whole parquet file ({reason})", "export it, or copy it, again"
        ) from None
    return {column: kind for column, kind, *_ in described}, rows


def columns_of(con: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    """The names of a parquet file's columns, in lower case.

    Raises:
        PragmaError: the file is not a complete parquet file.
    """
    return [name.lower() for name in _footer(con, file)[0]]


def _check_columns(
    file: Path,
    expected: Mapping[str, str],
    optional: Mapping[str, str],
    found: Mapping[str, str],
) -> None:
    # DuckDB's names ignore case.
    kinds = {name.lower(): kind for name, kind in found.items()}
    missing = [name for name in expected if name.lower() not in kinds]
    if missing:
        near = {name: get_close_matches(name.lower(), kinds, 1) for name in missing}
        renames = [f"{match[0]} to {name}" for name, match in near.items() if match]
        add = "; ".join(REASONS[name] for name in missing if name in REASONS)
        raise PragmaError(
            f"{file} lacks the column {' and '.join(missing)}; it has {', '.join(found)}",
            f"rename {', '.join(renames)}"
            if renames
            else add or "add what is missing to the export",
        )
    given = {**expected, **{name: kind for name, kind in optional.items() if name in kinds}}
    wrong = {
        name: kind
        for name, kind in given.items()
        if not any(_fits(kinds[name.lower()], one) for one in kind.split(" or "))
    }
    if wrong:
        said = [f"{name} is {kinds[name.lower()]}, expected {kind}" for name, kind in wrong.items()]
        raise PragmaError(f"{file}: {'; '.join(said)}", _way_out(wrong, kinds))


def _way_out(wrong: Mapping[str, str], kinds: Mapping[str, str]) -> str:
    for name, kind in wrong.items():
        if _family(kind) == "moment" and _family(kinds[name.lower()]) == "integer":
            return (
                f"turn the numbers of {name} into timestamps first, as they do not say their unit: "
                f"to_timestamp({name}) in SQL, pd.to_datetime({name}, unit='s') in pandas"
            )
    return "export it with the types expected"


def _fits(found: str, expected: str) -> bool:
    """Whether a cast from one DuckDB type to the other keeps the value.

    >>> _fits("DATE", "TIMESTAMP"), _fits("BIGINT", "DOUBLE"), _fits("DOUBLE", "BIGINT")
    (True, True, False)
    """
    family = _family(found)
    return _family(expected) in (family, family.replace("integer", "number"))


def _family(kind: str) -> str:
    text = kind.lower().replace('"', "")
    for pattern, name in FAMILIES:
        text = re.sub(rf"\b({pattern})(?!\w)", name, text)
    return text
