"""The rows that break each rule: a relation is read once, and again only if keys repeat."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import duckdb
import pyarrow as pa

from pragma_sql.checks.rule import EVENT_USERS, Repeats, Rule
from pragma_sql.formats.errors import PragmaError
from pragma_sql.warehouse.render import load_macros

FOUND = "violations_found"
"""The temporary table of violations, with the columns of `VIOLATIONS_SCHEMA`."""

VIOLATIONS_SCHEMA = pa.schema(
    {"rule": pa.string(), "row": pa.int64(), "example": pa.string(), "rows": pa.int64()}
)
"""The columns of `contract.violations`: the rule, the number of the example within its rule, a row
that breaks the rule as text, and how many rows break it in all."""

LOOKED_AT = "looked_at"
SEEN_TWICE = "select hashed from seen_twice"

EXAMPLE_WIDTH = 80
"""Most characters of a value that an example shows."""

EXAMPLES = 20
"""Most rows that are kept of each rule: the smallest as text, which are the same whatever the
number of threads. So the table stays small where every row of a large dataset breaks a rule."""


def find_violations(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    events: str = "contract.events",
    copies: str = "",
) -> pa.Table:
    """The rows of `contract.violations`: none of a rule that holds.

    It uses a cursor of its own, so the connection's state and temporary tables do not change.

    Args:
        con: a connection that sees the contract.
        rules: the rules to look for.
        events: the relation that the rules of events check: all events, or a part of them with the
            same columns. Whether a user has events is always decided by all events.
        copies: rows that hold the repeated events, and maybe others, if `events` is deduplicated;
            empty if `events` is as delivered.

    Raises:
        PragmaError: a relation is missing or cannot be read.
    """
    with closing(con.cursor()) as cursor:
        # A cursor starts in the machine's time zone, and casts in views may depend on it.
        (zone,) = con.execute("select current_setting('TimeZone')").fetchall()[0]
        cursor.execute("set TimeZone = $zone", {"zone": zone})
        _find(cursor, rules, events, copies)
        found = cursor.execute(f"from {FOUND}").to_arrow_table()
    order = {rule.name: number for number, rule in enumerate(rules)}
    rows = sorted(found.to_pylist(), key=lambda row: (order[row["rule"]], row["row"]))
    return pa.Table.from_pylist(rows, schema=VIOLATIONS_SCHEMA)


def _find(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], events: str, copies: str) -> None:
    """Fill the temporary table of violations."""
    con.execute(
        f"create or replace temp table {FOUND}"
        " (rule varchar, row bigint, example varchar, rows bigint)"
    )
    users = _users_with_events(con, events)
    _run(con, "contract.events", f"create or replace temp table event_users as {users}")
    for relation in dict.fromkeys(rule.relation for rule in rules):
        source = events if relation == "events" else f"contract.{relation}"
        scans = dict.fromkeys(rule.scan for rule in rules if rule.relation == relation)
        repeats = [scan for scan in scans if isinstance(scan, Repeats)]
        if relation == "events" and copies:
            repeats = []  # they are known
        for scan in scans:
            asked = [rule for rule in rules if rule.scan == scan]
            if isinstance(scan, Repeats) and relation == "events" and copies:
                look = _look(scan.over(copies), asked)
            elif isinstance(scan, Repeats):
                # Nothing is read a second time if no hash occurs twice.
                look = _look(scan.among(source, SEEN_TWICE), asked)
            else:
                look = _look(scan.over(source), asked, repeats if scan.shows else ())
            _run(con, source, look)
            if scan.shows and not isinstance(scan, Repeats):
                _run(con, source, _find_twice())
            _run(con, source, COUNT)


def _users_with_events(con: duckdb.DuckDBPyConnection, events: str) -> str:
    """SQL of all users with an event; if `events` is a part, users with tokens count too."""
    there = (
        "select 1 from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'tokens' and table_name = '_histories'"
    )
    if events == "contract.events" or not con.execute(there).fetchall():
        return EVENT_USERS
    if not con.execute("select 1 from tokens._histories limit 1").fetchall():
        return EVENT_USERS
    arrived = f"select user_id from {events} where user_id is not null"  # noqa: S608
    _find_gone(con, arrived)
    there = "select user_id from tokens._histories where user_id not in (from users_gone)"
    return f"{there} union {arrived}"


def _find_gone(con: duckdb.DuckDBPyConnection, arrived: str) -> None:
    """Fill `users_gone`: users with tokens in changed partitions who have no event any more."""
    macros = load_macros()
    day, bucket = macros["event_day"]("tokens.ts"), macros["event_bucket"]("tokens.user_id")
    changed = (
        "exists (select 1 from tokens.changed_partitions as changed"  # noqa: S608
        f" where {day} is not distinct from changed.day and {bucket} = changed.bucket)"
    )
    # Bounds let DuckDB skip most rows; if nothing changed they are null, and no row passes.
    days = (
        "(tokens.ts >= (select min(day) from tokens.changed_partitions)"
        " and tokens.ts < (select max(day) from tokens.changed_partitions) + interval 1 day"
        " or tokens.ts is null)"
    )
    con.execute(
        "create or replace temp table users_gone as"  # noqa: S608
        f" select distinct user_id from tokens.event_tokens as tokens where {days} and {changed}"
        f" and user_id not in ({arrived})"
    )
    if con.execute("from users_gone limit 1").fetchall():
        con.execute(
            "delete from users_gone where user_id in (select tokens.user_id"  # noqa: S608
            " from tokens.event_tokens as tokens"
            f" inner join users_gone using (user_id) where not {changed})"
        )


def _look(rows: str, rules: Sequence[Rule], repeats: Sequence[Repeats] = ()) -> str:
    """SQL that reads rows once: what is wrong with each, and the hash of its key.

    Only offending rows are turned into text.
    """
    breaches = ", ".join(
        f"case when {rule.condition} "
        f"then {{'rule': '{rule.name}', 'example': {_example(rule)}}} end"
        for rule in rules
    )
    broken = " or ".join(f"({rule.condition})" for rule in rules)
    hashed = ", ".join([*(scan.hashed for scan in repeats), "null::ubigint"])
    return f"""
        create or replace temp table {LOOKED_AT} as
        select case when {broken} then [{breaches}] end as breaches, coalesce({hashed}) as hashed
        from {rows}
        where {"true" if repeats else broken}
    """  # noqa: S608


def _find_twice() -> str:
    """SQL of the hashes that occur twice, by sorting, which is cheaper than grouping."""
    return f"""
        create or replace temp table seen_twice as
        select hashed
        from (
            select hashed, lag(hashed) over (order by hashed) as before
            from {LOOKED_AT}
            where hashed is not null
        )
        where hashed = before
    """  # noqa: S608


COUNT = f"""
    insert into {FOUND}
    with breaches as (
        select unnest(breaches, recursive := true)
        from {LOOKED_AT}
        where breaches is not null
    ),
    counted as (
        select rule, count(*) as rows, min(coalesce(example, ''), {EXAMPLES}) as examples
        from breaches
        where rule is not null
        group by rule
    )
    select rule, generate_subscripts(examples, 1) as row, unnest(examples) as example, rows
    from counted
"""  # noqa: S608
"""SQL that counts the violations of each rule and keeps the smallest."""


def _example(rule: Rule) -> str:
    """SQL: a row as one line, like `user_id null, ts 2015-02-03 00:00:00, source card`."""
    shown = {column: column for column in rule.scan.shows} | dict(rule.also_shows)
    parts = [f"'{label} ' || {_on_one_line(value)}" for label, value in shown.items()]
    return f"concat_ws(', ', {', '.join(parts)})" if parts else "''"


def _on_one_line(value: str) -> str:
    start = f"left({value}::varchar, {EXAMPLE_WIDTH})"
    text = rf"trim(regexp_replace({start}, '[\s[:cntrl:]]+', ' ', 'g'))"
    return f"case when {value} is null then 'null' else coalesce(nullif({text}, ''), 'blank') end"


def _run(con: duckdb.DuckDBPyConnection, relation: str, query: str) -> None:
    try:
        con.execute(query)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise PragmaError(
            f"{relation} cannot be read: {reason}",
            "fix its source, then run `pragma validate`",
        ) from None
