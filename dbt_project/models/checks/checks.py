"""Great Expectations' verdict on the contract, kept even when rules are broken."""

from pragma_sql.checks.gate import arrived_events, known_keys, run_checks, to_arrow
from pragma_sql.checks.rules import contract_rules
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.connection import warehouse_of


def model(dbt, session):
    """One row per rule of the contract."""
    dbt.ref("violations")
    home = Home(warehouse_of(session).parent)
    rules = contract_rules(known_keys=known_keys(session))
    every = dbt.config.get("check_all_events")
    events = "contract.events" if every else arrived_events(session)
    return to_arrow(run_checks(session, home, rules, events))
