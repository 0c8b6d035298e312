"""Great Expectations on DuckDB: one suite with one expectation per rule, and its Data Docs.

The library takes seconds to import, so import this module only where it is used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import cast

import duckdb
from duckdb_engine import ConnectionWrapper, Dialect
from sqlalchemy.dialects import registry
from sqlalchemy.pool import StaticPool

from pragma_sql.checks.rule import Rule
from pragma_sql.checks.violations import TALLIES, Tally

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported

import great_expectations as gx
from great_expectations.checkpoint.actions import UpdateDataDocsAction
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.expectations.core.unexpected_rows_expectation import (
    UnexpectedRowsExpectation,
)
from great_expectations.expectations.metadata_types import FailureSeverity

# Under dbt the root logger shows everything. Failures are raised, or read from the results.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)

DIALECT = "pragma_duckdb"
NAME = "contract"


class InProcessDialect(Dialect):
    """DuckDB for a library that fetches rows after its transaction has ended.

    A rollback would drop the rows not yet fetched, so transactions are switched off.
    """

    supports_statement_cache = False

    def do_begin(self, dbapi_connection: object) -> None:
        """Do nothing: there are no transactions."""

    def do_commit(self, dbapi_connection: object) -> None:
        """Do nothing: there are no transactions."""

    def do_rollback(self, dbapi_connection: object) -> None:
        """Do nothing: there are no transactions."""


registry.register(DIALECT, __name__, InProcessDialect.__name__)


class ExpectNoRowToBreakRule(UnexpectedRowsExpectation):
    """Expects that no row breaks the rule: the query gives one row, the tally, with count 0."""

    metric_dependencies = ("unexpected_rows_query.table",)

    def _validate(
        self,
        metrics: dict[str, list[Tally]],
        runtime_configuration: object = None,
        execution_engine: object = None,
    ) -> dict[str, object]:
        (tally,) = metrics["unexpected_rows_query.table"]
        observed = f"{tally['rows']:,} of {tally['total']:,} rows"
        if tally["example"]:
            # The pages show an observed value unescaped, and the example is text from the data.
            observed += f", for example {escape(tally['example'])}"
        result = {"observed_value": observed, "details": tally}
        return {"success": tally["rows"] == 0, "result": result}


def validate(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], docs: Path) -> list[Tally]:
    """Run the suite over the table of tallies and write its Data Docs.

    Args:
        con: the connection that has the table.
        rules: the rules to expect; the table has a row for each.
        docs: the folder to write the pages into.

    Returns:
        What each expectation recorded, in the order of `rules`.
    """
    in_memory = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults())
    context = gx.get_context(project_config=in_memory, mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        NAME,
        {
            "class_name": "SiteBuilder",
            "store_backend": store,
            "site_index_builder": index,
        },
    )
    warehouse = SQLDatasource(
        name="warehouse",
        connection_string=f"{DIALECT}://",
        kwargs={"creator": lambda: ConnectionWrapper(con), "poolclass": StaticPool},
    )
    table = context.data_sources.add_sql(warehouse).add_table_asset(NAME, table_name=TALLIES)
    suite = gx.ExpectationSuite(name=NAME, expectations=[_expectation(rule) for rule in rules])
    definition = gx.ValidationDefinition(
        name=NAME,
        data=table.add_batch_definition_whole_table(NAME),
        suite=context.suites.add(suite),
    )
    checkpoint = gx.Checkpoint(
        name=NAME,
        validation_definitions=[context.validation_definitions.add(definition)],
        actions=[UpdateDataDocsAction(name=NAME, site_names=[NAME])],
        result_format="COMPLETE",
    )
    (result,) = context.checkpoints.add(checkpoint).run().run_results.values()
    return _recorded(result, rules)


def _expectation(rule: Rule) -> ExpectNoRowToBreakRule:
    severity = FailureSeverity.CRITICAL if rule.severity == "error" else FailureSeverity.WARNING
    return ExpectNoRowToBreakRule(
        unexpected_rows_query=f"from {{batch}} where rule = '{rule.name}'",
        description=f"{rule.name} ({rule.severity}): no rows of {rule.where} {rule.problem}.",
        notes=[f"To mend it: {rule.fix}.", f"All such rows: `{rule.query}`"],
        severity=severity,
        meta={"rule": rule.name},
    )


def _recorded(result: ExpectationSuiteValidationResult, rules: Sequence[Rule]) -> list[Tally]:
    tallies: dict[str, Tally] = {}
    for evaluated in result.results:
        if "details" not in evaluated.result:
            # The library reports its own failures as results, so they are raised here.
            raise RuntimeError(f"Great Expectations: {evaluated.exception_info}")
        tally = cast(Tally, evaluated.result["details"])
        tallies[tally["rule"]] = tally
    return [tallies[rule.name] for rule in rules]
