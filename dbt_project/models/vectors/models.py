"""The models that this warehouse knows; their bundles lie beside the warehouse file."""

from pathlib import Path

from pragma_sql.registry import registered_models


def model(dbt, session):
    """One row per registered model."""
    (warehouse,) = session.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchall()[0]
    return registered_models(Path(warehouse))
