"""Great Expectations over the contract; the results are kept even when rules are broken."""

from pragma_sql.checks.gate import arrived_events, run_checks, to_arrow
from pragma_sql.warehouse.connection import warehouse_of


def model(dbt, session):
    """One row per rule of the contract."""
    # dbt finds these calls in the source and orders the build by them.
    dbt.ref("events")
    dbt.ref("profiles")
    dbt.ref("labels")
    dbt.ref("transfers")
    dbt.ref("new_events")
    dbt.ref("repeated_events")
    docs = warehouse_of(session).parent / "data_docs"
    every = dbt.config.get("check_all_events")
    events = "contract.events" if every else arrived_events(session)
    return to_arrow(run_checks(session, docs, events=events, copies="contract.repeated_events"))
