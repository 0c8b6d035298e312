"""The checks of the contract: Great Expectations' verdict on each rule, and what follows from it.

Reading the contract is expensive, so violations are looked for in few passes; the suite then
expects that `contract.violations` holds no row of a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from pragma_sql.checks.rule import Rule
from pragma_sql.checks.rules import contract_rules
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import replaced_folder
from pragma_sql.formats.paths import Home
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
    passed: bool
    """Whether Great Expectations found no row that breaks the rule."""
    rows: int
    """Number of rows that break the rule."""
    total: int
    """Number of rows of the relation."""
    example: str
    """The smallest row that breaks the rule, as text; empty if there is none."""
    page: Path
    """The page of Data Docs that shows the result."""

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
    home: Home,
    rules: Sequence[Rule],
    events: str = "contract.events",
) -> list[CheckResult]:
    """Let Great Expectations check `contract.violations`, and rewrite the suite and the Data Docs.

    Args:
        con: a connection that sees the contract and its violations.
        home: the folder of the suite and of the pages.
        rules: the rules that the violations were looked for.
        events: the relation that the rules of events were checked on.

    Returns:
        One result per rule, in the order of the rules, even when rules are broken.

    Raises:
        PragmaError: a rule has no verdict, because the library failed or left it out.
    """
    totals = _totals(con, rules, events)
    with closing(con.cursor()) as cursor, replaced_folder(home.data_docs) as draft:
        for heavy in ("scipy.stats", "altair"):  # a third of the import, none of it used
            import_late(heavy)
        with without_collecting():
            from pragma_sql.checks.expectations import save_suite, validate  # takes seconds

            verdicts = validate(cursor, rules, [totals[rule.relation] for rule in rules], draft)
        save_suite(rules, home.suite)
    page = data_docs_page(home.data_docs)
    return [
        CheckResult(
            rule, verdict.passed, verdict.rows, totals[rule.relation], verdict.example, page
        )
        for rule, verdict in zip(rules, verdicts, strict=True)
    ]


def _totals(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], events: str) -> dict[str, int]:
    """Relation -> number of rows that were checked."""
    totals = {}
    for relation in dict.fromkeys(rule.relation for rule in rules):
        source = events if relation == "events" else f"contract.{relation}"
        ((rows,),) = con.cursor().execute(f"select count(*) from {source}").fetchall()  # noqa: S608
        totals[relation] = rows
    return totals


def arrived_events(con: duckdb.DuckDBPyConnection) -> str:
    """The relation with the events that a build has to check.

    In a first build these are all events, later the table of those that arrived.
    """
    query = (
        "select count(*) from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'tokens' and table_name = 'new_events'"
    )
    ((tables,),) = con.cursor().execute(query).fetchall()
    return "tokens.new_events" if tables else "contract.events"


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
    query = "select rule, passed, rows, total, example from contract.checks"
    page = data_docs_page(docs)
    return [
        CheckResult(rules[name], passed, rows, total, example, page)
        for name, passed, rows, total, example in con.cursor().execute(query).fetchall()
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
    fix = broken[0].rule.fix if len(broken) == 1 else "fix the rows or the mapping"
    raise PragmaError(
        "\n".join(map(str, broken)),
        f"{fix}, then run `pragma validate`, or set the rows aside with `pragma build "
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
            "fix the rows, or set them aside with `pragma build --quarantine`",
        )
