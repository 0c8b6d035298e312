"""The dbt-duckdb plugin that profiles.yml names: it gives dbt's connection our SQL functions."""

from __future__ import annotations

from pathlib import Path

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.flags import get_flags

from pragma_sql.datasets.mapping_file import read_mapping
from pragma_sql.datasets.user_tables import attach
from pragma_sql.formats.paths import DATA
from pragma_udfs.functions import register


class Plugin(BasePlugin):
    """dbt-duckdb calls these hooks once for each connection that it opens."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, object]) -> None:
        """Create the folder of the warehouse, because DuckDB does not."""
        if creds.path != ":memory:":
            Path(creds.path).parent.mkdir(parents=True, exist_ok=True)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the functions, and let file names be relative to the bundled examples too.

        Databases that the project's mapping.yml names are attached read-only.
        """
        register(conn)
        conn.execute("set global file_search_path = $folders", {"folders": f"{Path.cwd()},{DATA}"})
        flags = get_flags()  # type: ignore[no-untyped-call]
        project = Path(flags.PROJECT_DIR or Path.cwd()).resolve()
        if (project / "mapping.yml").exists():
            attach(conn, project, read_mapping(project / "mapping.yml").databases)
