"""The checks of a contract outside dbt: what the models `violations` and `checks` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from pragma_sql.checks.gate import CheckResult, known_keys, run_checks
from pragma_sql.checks.rule import Rule
from pragma_sql.checks.rules import contract_rules
from pragma_sql.checks.violations import find_violations
from pragma_sql.formats.paths import Home


def store_violations(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule] | None = None,
    events: str = "contract.events",
) -> None:
    """Make the table `contract.violations`."""
    rules = rules or contract_rules(known_keys=known_keys(con))
    con.register("found", find_violations(con, rules, events))
    con.execute("create or replace table contract.violations as from found")
    con.unregister("found")


def verdicts(
    con: duckdb.DuckDBPyConnection, root: Path, events: str = "contract.events"
) -> list[CheckResult]:
    """What Great Expectations says of `contract.violations` as it stands."""
    return run_checks(con, Home(root), contract_rules(known_keys=known_keys(con)), events)


def checked(
    con: duckdb.DuckDBPyConnection, root: Path, events: str = "contract.events"
) -> list[CheckResult]:
    """Both, one after the other."""
    store_violations(con, events=events)
    return verdicts(con, root, events)
