"""The gate: Great Expectations over the contract; a broken error-rule stops what is downstream."""

from pathlib import Path

from pragma_sql.checks import raise_if_broken, run_checks, to_arrow


def model(dbt, session):
    """One row per rule of the contract."""
    # dbt reads these calls off the source to order the build.
    dbt.ref("events")
    dbt.ref("profiles")
    dbt.ref("labels")
    dbt.ref("transfers")
    (warehouse,) = session.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchall()[0]
    results = run_checks(session, Path(warehouse).parent / "data_docs")
    raise_if_broken(results)
    return to_arrow(results)
