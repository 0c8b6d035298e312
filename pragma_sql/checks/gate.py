"""The checks of the contract: every rule over all rows, recorded by Great Expectations.

Reading the contract is expensive, so violations are counted in few passes; the suite then expects
each count to be zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from pragma_sql.checks.rule import Limits, Rule
from pragma_sql.checks.rules import contract_rules
from pragma_sql.checks.violations import tally
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import replaced_folder
from pragma_sql.warehouse.gc_paused import without_collecting
from pragma_sql.warehouse.lazy_import import import_late

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
        "rejected": pa.int64(),
        "fix": pa.string(),
    }
)


@dataclass(frozen=True)
class CheckResult:
    """The result of one rule."""

    rule: Rule
    rows: int
    """Number of rows that break the rule."""
    total: int
    """Number of rows of the relation."""
    example: str
    """The smallest row that breaks the rule, as text; empty if there is none."""
    page: Path
    """The page of Data Docs that shows the result."""

    @property
    def passed(self) -> bool:
        """Whether no row breaks the rule."""
        return self.rows == 0

    @property
    def stops(self) -> bool:
        """Whether the result stops a build: a row breaks an error-rule."""
        return not self.passed and self.rule.severity == "error"

    def __str__(self) -> str:
        if not self.total:
            return f"{self.rule.where}: there are no rows"
        found = f"{self.rows:,} of {self.total:,} rows {self.rule.problem}"
        return f"{self.rule.where}: {found}, for example {self.example}"


def run_checks(
    con: duckdb.DuckDBPyConnection,
    docs: Path,
    limits: Limits | None = None,
    events: str = "contract.events",
    copies: str = "",
) -> list[CheckResult]:
    """Check the four relations of schema `contract` and rewrite the Data Docs.

    It uses a cursor of its own, so the connection's state and temporary tables do not change.

    Args:
        con: a connection that sees the contract.
        docs: the folder of the pages, which is replaced.
        limits: the moments and lengths that are allowed.
        events: the relation that the rules of events check: all events, or a part of them with the
            same columns.
        copies: the rows that hold repeated events, if `events` is deduplicated.

    Returns:
        One result per rule, in the order of the rules, even when rules are broken.

    Raises:
        PragmaError: a relation is missing or cannot be read.
    """
    rules = contract_rules(limits, known_keys(con))
    with closing(con.cursor()) as cursor, replaced_folder(docs) as draft:
        # A cursor starts in the machine's time zone, and casts in views may depend on it.
        (zone,) = con.execute("select current_setting('TimeZone')").fetchall()[0]
        cursor.execute("set TimeZone = $zone", {"zone": zone})
        tally(cursor, rules, events, copies)
        for heavy in ("scipy.stats", "altair"):  # half of the import, none of it used
            import_late(heavy)
        with without_collecting():
            from pragma_sql.checks.expectations import validate  # takes seconds to import

            tallies = validate(cursor, rules, draft)
    page = data_docs_page(docs)
    return [
        CheckResult(rule, counted["rows"], counted["total"], counted["example"], page)
        for rule, counted in zip(rules, tallies, strict=True)
    ]


def arrived_events(con: duckdb.DuckDBPyConnection) -> str:
    """The relation with the events that a build has to check.

    In a first build these are all events, later the table of those that arrived.
    """
    query = (
        "select count(*) from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'contract' and table_name = 'new_events'"
    )
    ((tables,),) = con.cursor().execute(query).fetchall()
    return "contract.new_events" if tables else "contract.events"


def known_keys(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The keys that the frozen fit tokenises or drops on purpose; none before a fit.

    The reserved keys, which stand for an event's source and a profile's milestones, are left
    out, because a field of such a name gives no token.
    """
    tables = "select table_name from duckdb_tables() where schema_name = 'fit'"
    there = {name for (name,) in con.cursor().execute(tables).fetchall()}
    if "fields" not in there:
        return []
    query = "select key from fit.fields where key not in ('source', 'milestone')"
    if "field_overrides" in there:
        query += " union select key from fit.field_overrides where kind = 'drop'"
    return [key for (key,) in con.cursor().execute(query).fetchall()]


def data_docs_page(docs: Path) -> Path:
    """The page with every rule, its count and its example.

    `index.html` of Great Expectations also leads to it, but needs scripts from the web for that.
    """
    pages = sorted(docs.glob("validations/**/*.html"))
    if not pages:
        raise PragmaError(f"{docs}: no Data Docs", "run `pragma validate`")
    return pages[-1]


def to_arrow(results: Sequence[CheckResult]) -> pa.Table:
    """The results as rows of `contract.checks`."""
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
            "rejected": 0,
            "fix": result.rule.fix,
        }
        for result in results
    ]
    return pa.Table.from_pylist(rows, schema=RESULT_SCHEMA)


def read_checks(con: duckdb.DuckDBPyConnection, docs: Path) -> list[CheckResult]:
    """Read `contract.checks` as results.

    Args:
        con: a connection that sees the contract.
        docs: the folder of the pages.
    """
    rules = {rule.name: rule for rule in contract_rules(known_keys=known_keys(con))}
    query = "select rule, rows, total, example from contract.checks"
    page = data_docs_page(docs)
    return [
        CheckResult(rules[name], rows, total, example, page)
        for name, rows, total, example in con.cursor().execute(query).fetchall()
    ]


def count_rejected(con: duckdb.DuckDBPyConnection, rejected: Mapping[str, int]) -> None:
    """Write into `contract.checks` how many rows each rule moved to quarantine."""
    for rule, rows in rejected.items():
        con.execute(
            "update contract.checks set rejected = $rows where rule = $rule",
            {"rule": rule, "rows": rows},
        )


def raise_if_broken(results: Sequence[CheckResult]) -> None:
    """Raise a PragmaError with one line per broken error-rule; warnings pass."""
    broken = [result for result in results if result.stops]
    if not broken:
        return
    mend = broken[0].rule.fix if len(broken) == 1 else "mend the rows or the mapping"
    raise PragmaError(
        "\n".join(map(str, broken)),
        f"{mend}, then run `pragma validate`, or set the rows aside with `pragma build "
        f"--quarantine`; all checks: {broken[0].page}",
    )


def raise_if_stopped(checks: pa.Table) -> None:
    """Raise a PragmaError that names the broken error-rules in rows of `contract.checks`."""
    stopped = [
        row["rule"]
        for row in checks.to_pylist()
        if not row["passed"] and row["severity"] == "error"
    ]
    if stopped:
        rules = "1 rule is" if len(stopped) == 1 else f"{len(stopped)} rules are"
        raise PragmaError(
            f"{rules} broken, and a build would stop: {', '.join(stopped)}",
            "mend the rows, or set them aside with `pragma build --quarantine`",
        )
