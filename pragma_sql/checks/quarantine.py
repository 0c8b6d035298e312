"""Quarantine: rows that break an error-rule move from the contract to `contract.rejected`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from pragma_sql.checks.rule import EVENT_USERS, Rule, sql_literal
from pragma_sql.checks.rules import contract_rules
from pragma_sql.formats.errors import PragmaError

REJECTED = "rejected_rows"
"""The temporary table of quarantined rows, with the columns of `contract.rejected`."""


@dataclass(frozen=True)
class Received:
    """A relation of the contract as it was delivered, bad rows included."""

    relation: str
    query: str
    """The name of the relation, or the definition of a view in brackets."""
    columns: Mapping[str, str]
    """Quoted column name -> type."""
    is_view: bool


@contextmanager
def all_or_nothing(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction: committed on leaving, rolled back on failure."""
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()


def set_aside(
    con: duckdb.DuckDBPyConnection, broken: Sequence[Rule], events: str = "contract.events"
) -> dict[str, int]:
    """List the rows that break the rules in a temporary table, and remove them from the contract.

    A relation whose broken rules look at single rows stays a view, which leaves such rows out. A
    relation whose broken rules compare rows becomes a table, so that they are compared only once;
    the next build makes it a view again.

    Args:
        con: a connection that may write; its temporary tables `rejected_rows` and `event_users` are
            replaced.
        broken: the error-rules that some row breaks; of several rows with one key, the first in the
            order of the other columns is kept.
        events: the relation that the rules of events checked. A table with a part of the events
            holds all bad rows, because quarantined events arrive again in each build.

    Returns:
        Rule -> number of quarantined rows. There can be more rules than `broken`: a user whose
        events are all quarantined becomes unknown.

    Raises:
        PragmaError: no event would be left.
    """
    con.execute(
        f"create or replace temp table {REJECTED}"
        " (relation varchar, rule varchar, reason varchar, content json)"
    )
    errors = [rule for rule in contract_rules() if rule.severity == "error" and rule.names_rows]
    of_events = [rule for rule in broken if rule.relation == "events"]
    part = events != "contract.events"
    if of_events or part:
        _take_out(con, "events", of_events, events, errors)
    others = [rule for rule in broken if rule.relation != "events"]
    if of_events:
        others += [rule for rule in errors if rule.joins_events and rule not in others]
    if not all(rule.row_by_row for rule in others):
        con.execute(f"create or replace temp table event_users as {EVENT_USERS}")
    for relation in dict.fromkeys(rule.relation for rule in others):
        rules = [rule for rule in others if rule.relation == relation]
        _take_out(con, relation, rules, f"contract.{relation}", rules)
    _keep_listed(con)
    counts = f"select rule, count(*) from {REJECTED} group by rule order by rule"  # noqa: S608
    return dict(con.execute(counts).fetchall())


def _keep_listed(con: duckdb.DuckDBPyConnection) -> None:
    """Keep the rows that the same checks quarantined before, as the contract lacks them now."""
    there = con.execute(
        "select table_name from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'contract' and table_name in ('checks', 'rejected')"
    ).fetchall()
    if len(there) == 2:
        con.execute(
            f"insert into {REJECTED} select relation, rule, reason, content from contract.rejected"  # noqa: S608
            " where rule in (select rule from contract.checks where rejected > 0)"
            f" and rule not in (select rule from {REJECTED})"
        )


def _take_out(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    broken: Sequence[Rule],
    part: str,
    every: Sequence[Rule],
) -> None:
    """Quarantine the rows of one relation that break rules.

    `part` holds the rows that were checked. Its offending rows are listed, and removed from it and
    from the relation.
    """
    received = _received(con, relation)
    whole = part == f"contract.{relation}"
    for rule in broken:
        con.execute(_listing(rule, received.query if whole else part, received.columns))
    listed = con.execute(f"select distinct rule from {REJECTED}").fetchall()  # noqa: S608
    found = [rule for rule in broken if (rule.name,) in listed]
    rules = found if whole else [rule for rule in every if rule.relation == relation]
    if rules:
        _replace(con, received, rules)
    if broken and not whole:
        con.execute(f"delete from {part} where {_any(broken)}")  # noqa: S608
    if relation == "events":
        first = "select user_id from contract.events limit 1"
        if not con.execute(first).fetchall():
            raise PragmaError(
                "contract.events: every row breaks a rule, so nothing is left",
                "fix the rows or the mapping, then run `pragma validate`",
            )


def _received(con: duckdb.DuckDBPyConnection, relation: str) -> Received:
    name = {"relation": relation}
    views = con.execute(
        "select sql from duckdb_views() where schema_name = 'contract' and view_name = $relation"
        " and database_name = current_database()",
        name,
    ).fetchall()
    names = con.execute(
        "select column_name, data_type from duckdb_columns() where schema_name = 'contract'"
        " and table_name = $relation and database_name = current_database() order by column_index",
        name,
    ).fetchall()
    columns = {f'"{column}"': kind for column, kind in names}
    if not views:
        return Received(relation, f"contract.{relation}", columns, is_view=False)
    _, _, definition = views[0][0].partition(" AS ")
    return Received(relation, f"({definition.rstrip().rstrip(';')})", columns, is_view=True)


def _listing(rule: Rule, source: str, columns: Mapping[str, str]) -> str:
    """SQL that lists the rows that break a rule; a repeated event is listed once."""
    # JSON has neither NaN nor infinity.
    packed = ", ".join(
        f"{column} := {column}{'::varchar' if kind == 'DOUBLE' else ''}"
        for column, kind in columns.items()
    )
    return f"""
        insert into {REJECTED}
        select {"distinct" if rule.relation == "events" else ""}
            '{rule.relation}', '{rule.name}', {sql_literal(rule.problem)},
            to_json(struct_pack({packed}))
        from {source if rule.row_by_row else rule.scan.over(source)}
        where {rule.condition}
    """  # noqa: S608


def _replace(con: duckdb.DuckDBPyConnection, received: Received, rules: Sequence[Rule]) -> None:
    """Replace a relation by its rows that break none of the rules."""
    kept = received.query
    alone = [rule for rule in rules if rule.row_by_row]
    if alone:
        kept = f"(select * from {kept} where not {_any(alone)})"  # noqa: S608
    compared = [rule for rule in rules if not rule.row_by_row]
    for scan in dict.fromkeys(rule.scan for rule in compared):
        kept = scan.without(kept, _any([rule for rule in compared if rule.scan == scan]))
    name = f"contract.{received.relation}"
    query = f"select {', '.join(received.columns)} from {kept}"  # noqa: S608
    if received.is_view and not compared:
        con.execute(f"create or replace view {name} as {query}")
        return
    con.execute(f"create or replace table {name}_kept as {query}")
    con.execute(f"drop {'view' if received.is_view else 'table'} {name}")
    con.execute(f"alter table {name}_kept rename to {received.relation}")


def _any(rules: Sequence[Rule]) -> str:
    return "(" + " or ".join(f"coalesce({rule.condition}, false)" for rule in rules) + ")"
