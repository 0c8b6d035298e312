"""The files that events come from, and what tells whether they are as they were."""

from pragma_sql.warehouse.source_files import source_files


def model(dbt, session):
    """One row per file; none where something else may be read too."""
    dbt.ref("delivered_events")
    by_file = dbt.config.get("by_file")
    return source_files(session, "contract.delivered_events", by_file=by_file)
