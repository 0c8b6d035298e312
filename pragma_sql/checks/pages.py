"""Data Docs: the pages of Great Expectations, with the rows that break each rule.

The pages show samples of unexpected values, but an expectation on unexpected rows reports none. So
the result that the pages are made from says them in the library's own fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)

SITE = "contract"


def context_with_pages(docs: Path) -> EphemeralDataContext:
    """A context that keeps all in memory but its pages, which it writes into a folder."""
    in_memory = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults())
    context = gx.get_context(project_config=in_memory, mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(docs),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    return context


def write_pages(
    context: EphemeralDataContext,
    result: ExpectationSuiteValidationResult,
    run: RunIdentifier,
    totals: Mapping[str, int],
) -> None:
    """Write the pages of a result, with examples added to it.

    Args:
        context: the context that made the result and names the folder.
        result: the result, which this changes.
        run: the run that it is of.
        totals: rule -> number of rows that were checked.
    """
    for evaluated in result.results:
        if not evaluated.success:
            _add_examples(evaluated, totals[rule_of(evaluated)])
    identifier = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(result.suite_name),
        run_id=run,
        batch_identifier=result.batch_id,
    )
    context.validation_results_store.set(identifier, result)
    context.build_data_docs(site_names=[SITE])


def rule_of(evaluated: ExpectationValidationResult) -> str:
    """The name of the rule that an expectation is about; empty if the result does not say it."""
    config = evaluated.expectation_config
    return "" if config is None else str((config.meta or {}).get("rule", ""))


def _add_examples(evaluated: ExpectationValidationResult, total: int) -> None:
    found = evaluated.result["details"]["unexpected_rows"]
    rows = found[0]["rows"]
    of = max(rows, total)  # of events that were delivered often, `total` counts each once
    # The pages show these values unescaped, and they are text from the data.
    examples = [escape(row["example"]) for row in sorted(found, key=lambda row: row["row"])]
    evaluated.result.update(
        element_count=of,
        unexpected_count=rows,
        unexpected_percent=100 * rows / of,
        partial_unexpected_list=examples,
    )
