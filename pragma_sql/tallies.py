"""How many rows break each rule: the rules of a scan are counted in one pass over its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import duckdb

from pragma_sql.errors import PragmaError
from pragma_sql.scans import EVENT_USERS, Rule, Scan

TALLIES = "contract_tallies"
"""The temporary table of tallies, with the columns of `Tally`."""

EXAMPLE_WIDTH = 80
"""Characters of a value that an example shows."""


class Tally(TypedDict):
    """What was counted for one rule."""

    rule: str
    rows: int
    """Rows that break it, of all rows."""
    total: int
    """Rows of the relation."""
    example: str
    """The smallest of the rows that break it, as text; empty when there is none."""


def tally(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> None:
    """Make the temporary table `contract_tallies`, one row a rule.

    Args:
        con: a connection that sees the contract and may keep temporary tables.
        rules: the rules to count for.

    Raises:
        PragmaError: a relation is missing or cannot be read.
    """
    con.execute(
        f"create temp table {TALLIES} (rule varchar, rows bigint, total bigint, example varchar)"
    )
    _run(con, "events", f"create temp table event_users as {EVENT_USERS}")
    for relation in dict.fromkeys(rule.relation for rule in rules):
        count = f"select count(*) from contract.{relation}"  # noqa: S608
        ((total,),) = _run(con, relation, count)
        for scan in dict.fromkeys(rule.scan for rule in rules if rule.relation == relation):
            asked = [rule for rule in rules if rule.scan == scan]
            _run(con, relation, _one_pass(scan, asked), {"total": total})


def _one_pass(scan: Scan, rules: Sequence[Rule]) -> str:
    """SQL that counts for all rules of a scan; only offending rows are turned into text."""
    breaches = ", ".join(
        f"case when {rule.condition} "
        f"then {{'rule': '{rule.name}', 'example': {_example(rule)}}} end"
        for rule in rules
    )
    return f"""
        insert into {TALLIES}
        with breaches as (
            select unnest([{breaches}], recursive := true)
            from {scan.rows}
            where {" or ".join(f"({rule.condition})" for rule in rules)}
        ),
        counted as (
            select rule, count(*) as rows, min(example) as example
            from breaches
            where rule is not null
            group by rule
        )
        select asked.rule, coalesce(rows, 0), $total, coalesce(example, '')
        from (select unnest({[rule.name for rule in rules]}) as rule) as asked
        left join counted on asked.rule = counted.rule
    """  # noqa: S608


def _example(rule: Rule) -> str:
    """SQL: a row as one line, like `user_id null, ts 2015-02-03 00:00:00, source card`."""
    shown = {column: column for column in rule.scan.shows} | dict(rule.also_shows)
    parts = [f"'{label} ' || {_on_one_line(value)}" for label, value in shown.items()]
    return f"concat_ws(', ', {', '.join(parts)})" if parts else "''"


def _on_one_line(value: str) -> str:
    start = f"left({value}::varchar, {EXAMPLE_WIDTH})"
    text = rf"trim(regexp_replace({start}, '[\s[:cntrl:]]+', ' ', 'g'))"
    return f"case when {value} is null then 'null' else coalesce(nullif({text}, ''), 'blank') end"


def _run(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    query: str,
    parameters: Mapping[str, int] | None = None,
) -> list[tuple[int, ...]]:
    try:
        return con.execute(query, parameters).fetchall()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise PragmaError(
            f"contract.{relation} cannot be read: {reason}",
            "mend its source, then run `pragma validate`",
        ) from None
