"""The rows that break the rules of the contract."""

from pragma_sql.checks.gate import arrived_events, known_keys
from pragma_sql.checks.rules import contract_rules
from pragma_sql.checks.violations import find_violations


def model(dbt, session):
    """One row per rule and example of a row that breaks it."""
    # dbt finds these calls in the source and orders the build by them.
    dbt.ref("events")
    dbt.ref("profiles")
    dbt.ref("labels")
    dbt.ref("transfers")
    dbt.ref("new_events")
    dbt.ref("repeated_events")
    rules = contract_rules(known_keys=known_keys(session))
    every = dbt.config.get("check_all_events")
    events = "contract.events" if every else arrived_events(session)
    return find_violations(session, rules, events, copies="contract.repeated_events")
