"""DuckDB extensions that are on this machine; nothing here downloads one."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec

import duckdb

from pragma_sql.errors import PragmaError


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Load an extension that DuckDB has installed, or that its Python package carries.

    The package is `duckdb-extension-<name>` of the very version of DuckDB; extensions are signed,
    and another version's is refused.

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
    """Load an extension, or say how to come by it."""
    if not load_extension(con, name):
        raise PragmaError(
            f"{command} needs DuckDB's extension {name}, which is not installed",
            f"pip install 'pragma-sql[serve]', or in DuckDB {duckdb.__version__}: install {name}",
        )
