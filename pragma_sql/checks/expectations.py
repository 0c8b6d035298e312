"""Great Expectations on the violations: one suite with one expectation per rule, and its verdict.

The library takes seconds to import, so import this module only where it is used.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import duckdb
from duckdb_engine import ConnectionWrapper
from sqlalchemy.pool import StaticPool

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.expectations.core.unexpected_rows_expectation import (
    UnexpectedRowsExpectation,
)
from great_expectations.expectations.metadata_types import FailureSeverity

from pragma_sql.checks.dialect import DIALECT
from pragma_sql.checks.pages import context_with_pages, rule_of, write_pages
from pragma_sql.checks.rule import Rule
from pragma_sql.formats.errors import PragmaError

# Under dbt the root logger shows everything. Failures are raised, or read from the results.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)

NAME = "contract"
"""The name of the suite, and of its file."""


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says of one rule."""

    passed: bool
    rows: int
    """Number of rows that break the rule."""
    example: str
    """The smallest row that breaks the rule, as text; empty if there is none."""


def validate(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], totals: Sequence[int], docs: Path
) -> list[Verdict]:
    """Run the suite over `contract.violations` and write its Data Docs.

    Args:
        con: the connection that has the relation.
        rules: the rules to expect.
        totals: of each rule, the number of rows that were checked.
        docs: the folder to write the pages into.

    Returns:
        The verdict on each of the rules, in their order.

    Raises:
        PragmaError: a rule has no verdict, because the library failed or left it out.
    """
    context = context_with_pages(docs)
    warehouse = SQLDatasource(
        name="warehouse",
        connection_string=f"{DIALECT}://",
        kwargs={"creator": lambda: ConnectionWrapper(con), "poolclass": StaticPool},
    )
    violations = context.data_sources.add_sql(warehouse).add_table_asset(
        "violations", table_name="violations", schema_name="contract"
    )
    definition = gx.ValidationDefinition(
        name=NAME,
        data=violations.add_batch_definition_whole_table("violations"),
        suite=context.suites.add(contract_suite(rules)),
    )
    run = RunIdentifier()
    result = context.validation_definitions.add(definition).run(
        result_format="COMPLETE", run_id=run
    )
    verdicts = read_verdicts(result, rules)
    write_pages(context, result, run, dict(zip((r.name for r in rules), totals, strict=True)))
    return verdicts


def contract_suite(rules: Sequence[Rule]) -> gx.ExpectationSuite:
    """The suite: of each rule, no row of `contract.violations` is expected."""
    suite = gx.ExpectationSuite(name=NAME, expectations=[_expectation(rule) for rule in rules])
    suite.id = _id(NAME)
    for expectation, rule in zip(suite.expectations, rules, strict=True):
        expectation.id = _id(f"{NAME}/{rule.name}")
    return suite


def save_suite(rules: Sequence[Rule], file: Path) -> None:
    """Write the suite as a project of Great Expectations stores it; equal suites, equal bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(contract_suite(rules).to_json_dict(), indent=2, sort_keys=True))
    draft.replace(file)


def _expectation(rule: Rule) -> UnexpectedRowsExpectation:
    severity = FailureSeverity.CRITICAL if rule.severity == "error" else FailureSeverity.WARNING
    return UnexpectedRowsExpectation(
        unexpected_rows_query=f"select * from {{batch}} where rule = '{rule.name}'",  # noqa: S608
        description=f"{rule.name} ({rule.severity}): no rows of {rule.where} {rule.problem}.",
        notes=[f"To fix it: {rule.fix}.", f"All such rows: `{rule.query}`"],
        severity=severity,
        meta={"rule": rule.name},
    )


def _id(name: str) -> str:
    """An id that is the same in every build."""
    return str(uuid5(NAMESPACE_URL, f"pragma:{name}"))


def read_verdicts(result: ExpectationSuiteValidationResult, rules: Sequence[Rule]) -> list[Verdict]:
    """The verdict on each of the rules, in their order.

    Raises:
        PragmaError: a rule has no verdict, because the library failed or left it out.
    """
    evaluated = {rule_of(each): each for each in result.results}
    return [_verdict(rule, evaluated.get(rule.name)) for rule in rules]


def _verdict(rule: Rule, evaluated: ExpectationValidationResult | None) -> Verdict:
    what = f"Great Expectations gave no verdict on {rule.name}"
    next_step = "run `pragma validate`; if it fails too, look whether contract.violations is whole"
    if evaluated is None:
        raise PragmaError(f"{what}: its results lack the rule", next_step)
    if "observed_value" not in evaluated.result:
        # The library reports its own failures as results, so they are raised here.
        raise PragmaError(f"{what}: {_failure(evaluated.exception_info)}", next_step)
    if evaluated.success:
        return Verdict(passed=True, rows=0, example="")
    found = evaluated.result["details"]["unexpected_rows"]
    first = min(found, key=lambda row: row["row"])
    return Verdict(passed=False, rows=first["rows"], example=first["example"])


def _failure(info: dict[str, object]) -> str:
    """The message in what an expectation, or each of its metrics, says of an exception."""
    told = [info, *(each for each in info.values() if isinstance(each, dict))]
    messages = [str(each["exception_message"]) for each in told if each.get("exception_message")]
    return " ".join(" ".join(messages).split()) or "it does not say why"
