"""Profiles from a table of attributes and from first occurrences of events.

A history reads the newest snapshot not later than its moment. So each snapshot carries all
milestones, and a user whose attributes come late gets an early snapshot with only milestones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from pragma_sql.datasets.from_clause import chain_steps, fill_template, model
from pragma_sql.datasets.mapping import AsOf

FIRST_EVENTS = "select user_id, min(ts) as first_event from events group by user_id"

DATED = {
    "first_event": """
        select
            attributes.user_id,
            coalesce(
                first_events.first_event, (select max(ts) + interval 1 microsecond from ends)
            ) as as_of,
            attributes.attributes
        from attributes left join first_events on attributes.user_id = first_events.user_id
    """,
    "dataset_end": """
        select user_id, (select max(ts) + interval 1 microsecond from ends) as as_of, attributes
        from attributes
    """,
    None: "select user_id, as_of, attributes from attributes",
}

"""Users without events get the end of the dataset, where attributes cannot leak a label."""

ENDS = "select max(ts) as ts from events union all select max(eval_ts) as ts from labels"

FIRSTS = """
select user_id, key, min(ts) as ts from occurrences
where user_id is not null and ts is not null
group by user_id, key
"""
LIFELONG = """
select user_id, list({'key': key, 'ts': ts} order by ts, key) as lifelong, min(ts) as first_ts
from milestones group by user_id
"""
KNOWN = "select user_id, min(as_of) as known_from from dated group by user_id"

BARE = """
select user_id, first_event as as_of, cast(map() as map(varchar, varchar)) as attributes
from first_events
"""
STARTS = """
select
    first_events.user_id,
    least(first_events.first_event, coalesce(lifelong.first_ts, first_events.first_event)) as as_of,
    cast(map() as map(varchar, varchar)) as attributes
from first_events left join lifelong on first_events.user_id = lifelong.user_id
"""
EARLY = """
select starts.user_id, starts.as_of, starts.attributes
from starts left join known on starts.user_id = known.user_id
where known.known_from is null or known.known_from > starts.as_of
"""
BOTH = """
select user_id, as_of, attributes from dated
union all
select user_id, as_of, attributes from early
"""
WITH_MILESTONES = """
select
    snapshots.user_id, snapshots.as_of, snapshots.attributes,
    coalesce(lifelong.lifelong, cast([] as struct(key varchar, ts timestamp)[])) as lifelong
from snapshots left join lifelong on snapshots.user_id = lifelong.user_id
"""
WITHOUT_MILESTONES = """
select user_id, as_of, attributes, cast([] as struct(key varchar, ts timestamp)[]) as lifelong
from snapshots
"""


@dataclass(frozen=True)
class Attributes:
    """A query of `user_id, attributes`, with `as_of` if the table has a time (else None here)."""

    rows: exp.Select
    as_of: AsOf | None


def snapshots(
    dataset: str, attributes: Attributes | None, occurrences: Sequence[exp.Query]
) -> exp.Select:
    """The query of `user_id, as_of, attributes, lifelong`.

    Args:
        dataset: the prefix of the dbt models of its events and labels.
        attributes: None if there are none.
        occurrences: queries of `user_id, key, ts`; the earliest of a user and key is a milestone.
    """
    steps: list[tuple[str, exp.Query]] = []

    def step(name: str, query: str | exp.Query) -> None:
        parsed = fill_template(query) if isinstance(query, str) else query
        assert isinstance(parsed, exp.Query)
        steps.append((name, parsed))

    if occurrences or not attributes or attributes.as_of:
        step("events", exp.select("*").from_(model(f"{dataset}_events")))
        step("first_events", FIRST_EVENTS)
    if attributes and attributes.as_of:
        step("labels", exp.select("*").from_(model(f"{dataset}_labels")))
        step("ends", ENDS)
    if attributes:
        step("attributes", attributes.rows)
        step("dated", DATED[attributes.as_of])
    if occurrences:
        step("occurrences", union_all(occurrences))
        step("milestones", FIRSTS)
        step("lifelong", LIFELONG)
        step("starts", STARTS)
    if attributes and occurrences:
        step("known", KNOWN)
        step("early", EARLY)
        step("snapshots", BOTH)
    elif attributes:
        step("snapshots", "select * from dated")
    else:
        step("snapshots", "select * from starts" if occurrences else BARE)
    step("final", WITH_MILESTONES if occurrences else WITHOUT_MILESTONES)
    return chain_steps(steps)


def union_all(queries: Sequence[exp.Query]) -> exp.Query:
    """All rows of all queries."""
    return exp.union(*queries, distinct=False) if len(queries) > 1 else queries[0]
