"""The checks of the contract: every rule over all rows, recorded by Great Expectations.

Reading the contract is what costs, so rows are counted in few passes; the suite of expectations
then holds the count of each rule against zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from pragma_sql.errors import PragmaError
from pragma_sql.files import replaced_folder
from pragma_sql.rules import contract_rules
from pragma_sql.scans import Limits, Rule
from pragma_sql.tallies import tally

RESULT_SCHEMA = pa.schema(
    {
        "rule": pa.string(),
        "relation": pa.string(),
        "column_name": pa.string(),
        "severity": pa.string(),
        "rows": pa.int64(),
        "total": pa.int64(),
        "example": pa.string(),
        "passed": pa.bool_(),
        "fix": pa.string(),
    }
)


@dataclass(frozen=True)
class CheckResult:
    """What was found of one rule."""

    rule: Rule
    rows: int
    """Rows that break it, of all rows."""
    total: int
    """Rows of the relation."""
    example: str
    """The smallest of the rows that break it, as text; empty when there is none."""
    page: Path
    """The page that shows it."""

    @property
    def passed(self) -> bool:
        """No row breaks the rule."""
        return self.rows == 0

    def __str__(self) -> str:
        if not self.total:
            return f"{self.rule.where}: there are no rows"
        found = f"{self.rows:,} of {self.total:,} rows {self.rule.problem}"
        return f"{self.rule.where}: {found}, for example {self.example}"


def run_checks(
    con: duckdb.DuckDBPyConnection, docs: Path, limits: Limits | None = None
) -> list[CheckResult]:
    """Check the four relations of schema `contract` and write the Data Docs anew.

    Works on a cursor of its own: the connection's state and its temporary tables stay as they are.

    Args:
        con: a connection that sees the contract.
        docs: the folder of the pages; replaced whole.
        limits: the moments and lengths that are allowed.

    Returns:
        One result a rule, in the order of the rules, also when rules are broken.

    Raises:
        PragmaError: a relation is missing or cannot be read.
    """
    rules = contract_rules(limits)
    with closing(con.cursor()) as cursor, replaced_folder(docs) as draft:
        # A cursor starts in the machine's time zone, and views may cast by it.
        (zone,) = con.execute("select current_setting('TimeZone')").fetchall()[0]
        cursor.execute("set TimeZone = $zone", {"zone": zone})
        tally(cursor, rules)
        from pragma_sql.gx_duckdb import validate  # takes seconds to import

        tallies = validate(cursor, rules, draft)
    page = data_docs_page(docs)
    return [
        CheckResult(rule, counted["rows"], counted["total"], counted["example"], page)
        for rule, counted in zip(rules, tallies, strict=True)
    ]


def data_docs_page(docs: Path) -> Path:
    """The page with every rule, its count and its example.

    Great Expectations' `index.html` leads to it too, but draws its links with scripts from the web.
    """
    pages = sorted(docs.glob("validations/**/*.html"))
    if not pages:
        raise PragmaError(f"{docs}: no Data Docs", "run `pragma validate`")
    return pages[-1]


def to_arrow(results: Sequence[CheckResult]) -> pa.Table:
    """The results as rows: what `contract.checks` holds."""
    rows = [
        {
            "rule": result.rule.name,
            "relation": result.rule.relation,
            "column_name": result.rule.column,
            "severity": result.rule.severity,
            "rows": result.rows,
            "total": result.total,
            "example": result.example,
            "passed": result.passed,
            "fix": result.rule.fix,
        }
        for result in results
    ]
    return pa.Table.from_pylist(rows, schema=RESULT_SCHEMA)


def raise_if_broken(results: Sequence[CheckResult]) -> None:
    """Raise a PragmaError with one line a broken error-rule; warnings pass."""
    broken = [r for r in results if not r.passed and r.rule.severity == "error"]
    if not broken:
        return
    mend = broken[0].rule.fix if len(broken) == 1 else "mend the rows or the mapping"
    raise PragmaError(
        "\n".join(map(str, broken)),
        f"{mend}, then run `pragma validate`; all checks: {broken[0].page}",
    )
