"""The gate: a broken error-rule stops the build, or its rows move to quarantine."""

import sys

from pragma_sql.checks.gate import (
    arrived_events,
    count_rejected,
    data_docs_page,
    raise_if_broken,
    read_checks,
)
from pragma_sql.checks.quarantine import REJECTED, all_or_nothing, set_aside
from pragma_sql.warehouse.connection import warehouse_of


def model(dbt, session):
    """One row per rule and row that breaks it."""
    dbt.ref("checks")
    docs = warehouse_of(session).parent / "data_docs"
    results = read_checks(session, docs)
    broken = [result for result in results if result.stops]
    if not dbt.config.get("quarantine"):
        raise_if_broken(broken)
    # A rule that does not name rows, such as one about missing rows, has none to quarantine.
    raise_if_broken([result for result in broken if not result.rule.names_rows])
    for result in results:
        if not (result.passed or result.stops):
            print(f"warning: {result}", file=sys.stderr)
    print(f"Data Docs: {data_docs_page(docs)}", file=sys.stderr)
    with all_or_nothing(session):
        events = arrived_events(session) if dbt.config.get("quarantine") else "contract.events"
        rejected = set_aside(session, [result.rule for result in broken], events)
        count_rejected(session, rejected)
    for rule, rows in rejected.items():
        print(f"set aside in contract.rejected: {rule}, rows: {rows:,}", file=sys.stderr)
    return session.table(REJECTED)
