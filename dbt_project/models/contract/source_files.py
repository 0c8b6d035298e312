"""The files that events come from, with the facts that show whether they have changed."""

from pragma_sql.warehouse.source_files import source_files


def model(dbt, session):
    """One row per file; none if events may also come from elsewhere."""
    dbt.ref("delivered_events")
    by_file = dbt.config.get("by_file")
    return source_files(session, "contract.delivered_events", by_file=by_file)
