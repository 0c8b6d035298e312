"""`mapping.yml` and the tables it names -> the four staging models that fill the contract."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from pragma_sql.datasets.columns import check_query, condition, field_map, look, scalar
from pragma_sql.datasets.from_clause import chain_steps, column, select_template
from pragma_sql.datasets.leaks import answers_in, leaks
from pragma_sql.datasets.mapping import DatasetMapping, Events, Labels, Profiles, Transfers
from pragma_sql.datasets.profile_snapshots import Attributes, snapshots, union_all
from pragma_sql.datasets.timestamps import moment
from pragma_sql.datasets.user_tables import Found, UserTables


def profiles_query(
    mapping: DatasetMapping, tables: UserTables, found: Mapping[str, Found], dataset: str
) -> tuple[exp.Select, tuple[str, ...]]:
    profiles = mapping.profiles
    occurrences: list[exp.Query] = []
    attributes = None
    own = look(tables, profiles.rows) if profiles.rows else None
    if own:
        attributes = _attributes(mapping, tables, own)
    for milestone in profiles.lifelong:
        key = f"lifelong.{milestone.key}"
        if milestone.time:
            assert own is not None
            rows, user, time = own, profiles.user, milestone.time
        else:
            (source,) = [e for e in mapping.events if e.source == milestone.first_of]
            rows, user, time = found[source.source], source.user, source.time
        happened = condition(tables, rows, key, milestone.where)
        ts = moment(tables, rows, key, time, mapping.zone)
        query = rows.select(
            exp.alias_(exp.cast(scalar(rows, "user", user), "varchar"), "user_id"),
            exp.alias_(exp.Literal.string(milestone.key), "key"),
            exp.alias_(ts, "ts"),
        )
        occurrences.append(query.where(happened) if happened else query)
    return snapshots(dataset, attributes, occurrences), _notes(profiles)


def _attributes(mapping: DatasetMapping, tables: UserTables, found: Found) -> Attributes:
    profiles, zone = mapping.profiles, mapping.zone
    assert profiles.rows is not None
    user = scalar(found, "user", profiles.user)
    parts = [user, *map(column, answers_in(mapping, profiles.rows, found))]
    columns = [exp.alias_(exp.cast(user, "varchar"), "user_id")]
    as_of = profiles.as_of
    if not isinstance(as_of, str):
        columns.append(exp.alias_(moment(tables, found, "as_of", as_of, zone), "as_of"))
        parts += _columns_of(found, "as_of", as_of.value)
    for milestone in profiles.lifelong:
        if milestone.time:
            parts += _columns_of(found, f"lifelong.{milestone.key}", milestone.time.value)
    latest = scalar(found, "latest", profiles.latest) if profiles.latest else None
    if latest:
        parts.append(latest)
    picked = field_map(found, profiles.attributes, parts, "attributes")
    columns.append(exp.alias_(picked, "attributes"))
    rows = check_query(tables, found, columns)
    if latest:
        moments = [each.this for each in columns[1:-1]]
        rows = rows.qualify(_is_latest([user, *moments], latest))
    return Attributes(rows, as_of if isinstance(as_of, str) else None)


def _is_latest(key: Sequence[exp.Expr], latest: exp.Expr) -> exp.Expr:
    """A condition for rows with the greatest value of their key, and for rows without a key."""
    rank = exp.Window(
        this=exp.Anonymous(this="rank"),
        partition_by=[each.copy() for each in key],
        order=exp.Order(
            expressions=[exp.Ordered(this=latest.copy(), desc=True, nulls_first=False)]
        ),
    )
    absent = [exp.Is(this=each.copy(), expression=exp.Null()) for each in key]
    return exp.or_(*absent, exp.EQ(this=rank, expression=exp.Literal.number(1)))


def _columns_of(found: Found, key: str, value: object) -> list[exp.Expr]:
    return [scalar(found, key, value)] if isinstance(value, str) else []


def _notes(profiles: Profiles) -> tuple[str, ...]:
    if profiles.rows is None or profiles.as_of != "dataset_end":
        return ()
    return (
        "profiles: nothing says since when the attributes hold, so they hold from the end of the "
        "dataset on, and no label sees them; `as_of: first_event` is for what never changes",
    )


RELATIONS: Mapping[str, str] = {
    "events": "What happened, from all sources. One row per event.",
    "profiles": "Attributes since when they hold, and milestones. One row per user and snapshot.",
    "labels": "Answers of all tasks. One row per task, user and moment.",
    "transfers": "Money between users. One row per transfer.",
}
"""Relation -> description of its staging model."""

NO_LABELS = """
select
    cast(null as varchar) as task, cast(null as varchar) as user_id,
    cast(null as timestamp) as eval_ts, cast(null as double) as label
where false
"""
NO_TRANSFERS = """
select
    cast(null as varchar) as from_user, cast(null as varchar) as to_user,
    cast(null as timestamp) as ts, cast(null as double) as amount
where false
"""
HASHED = """
select
    user_id, ts, source, fields,
    md5(to_json({'user_id': user_id, 'ts': ts, 'source': source, 'fields': fields})) as content
from $rows
"""
NUMBERED = """
select
    user_id, ts, source, fields,
    content || '-' || row_number() over (partition by content) as event_id
from $rows
"""
"""Equal events may be real, so a number tells them apart, whatever the order of rows."""


@dataclass(frozen=True)
class Staging:
    """The models as queries, by relation, and notes for the user."""

    queries: Mapping[str, exp.Query]
    notes: tuple[str, ...]


def staging(mapping: DatasetMapping, tables: UserTables, dataset: str) -> Staging:
    """Write the queries of the staging models, after a look at the tables.

    Args:
        mapping: what mapping.yml says.
        tables: the tables that it names.
        dataset: the prefix of the models' names.

    Raises:
        PragmaError: names the place in mapping.yml, what is wrong there, and how to fix it.
    """
    found = {events.source: look(tables, events.rows) for events in mapping.events}
    with_split = any(labels.split for labels in mapping.labels)
    profiles, notes = profiles_query(mapping, tables, found, dataset)
    return Staging(
        {
            "events": _events(mapping, tables, found),
            "profiles": profiles,
            "labels": _union_or_empty(
                (
                    _label_rows(labels, tables, mapping.zone, with_split=with_split)
                    for labels in mapping.labels
                ),
                NO_LABELS,
            ),
            "transfers": _union_or_empty(
                (_transfer_rows(one, tables, mapping.zone) for one in mapping.transfers),
                NO_TRANSFERS,
            ),
        },
        (*notes, *leaks(mapping, tables)),
    )


def _events(mapping: DatasetMapping, tables: UserTables, found: Mapping[str, Found]) -> exp.Select:
    steps: list[tuple[str, exp.Query]] = []
    legs: list[exp.Query] = []
    names = _step_names(found)
    for events in mapping.events:
        name = names[events.source]
        steps.append((name, _event_rows(events, tables, found[events.source], mapping)))
        if events.id:
            legs.append(exp.select("user_id", "ts", "source", "fields", "event_id").from_(name))
        else:
            hashed = name.replace("from_", "hashed_", 1)
            steps.append((hashed, select_template(HASHED, rows=exp.to_table(name))))
            legs.append(select_template(NUMBERED, rows=exp.to_table(hashed)))
    return chain_steps([*steps, ("final", union_all(legs))])


def _event_rows(
    events: Events, tables: UserTables, found: Found, mapping: DatasetMapping
) -> exp.Select:
    user = scalar(found, "user", events.user)
    ts = moment(tables, found, "time", events.time, mapping.zone)
    parts = [user, scalar(found, "time", str(events.time.value))]
    parts += map(column, answers_in(mapping, events.rows, found))
    columns = [
        exp.alias_(exp.cast(user, "varchar"), "user_id"),
        exp.alias_(ts, "ts"),
        exp.alias_(exp.Literal.string(events.source), "source"),
    ]
    if events.id:
        parts.append(scalar(found, "id", events.id))
        columns.append(exp.alias_(exp.cast(parts[-1], "varchar"), "event_id"))
    columns.insert(3, exp.alias_(field_map(found, events.fields, parts, "fields"), "fields"))
    return check_query(tables, found, columns)


def _label_rows(labels: Labels, tables: UserTables, zone: str, *, with_split: bool) -> exp.Select:
    found = look(tables, labels.rows)
    columns = [
        exp.alias_(exp.Literal.string(labels.task), "task"),
        exp.alias_(exp.cast(scalar(found, "user", labels.user), "varchar"), "user_id"),
        exp.alias_(moment(tables, found, "moment", labels.moment, zone), "eval_ts"),
        exp.alias_(exp.cast(scalar(found, "label", labels.label), "double"), "label"),
    ]
    if with_split:
        given = scalar(found, "split", labels.split) if labels.split else exp.null()
        columns.append(exp.alias_(exp.cast(given, "varchar"), "split"))
    return check_query(tables, found, columns)


def _transfer_rows(transfers: Transfers, tables: UserTables, zone: str) -> exp.Select:
    found = look(tables, transfers.rows)
    return check_query(
        tables,
        found,
        [
            exp.alias_(
                exp.cast(scalar(found, "from_user", transfers.from_user), "varchar"), "from_user"
            ),
            exp.alias_(exp.cast(scalar(found, "to_user", transfers.to_user), "varchar"), "to_user"),
            exp.alias_(moment(tables, found, "time", transfers.time, zone), "ts"),
            exp.alias_(exp.cast(scalar(found, "amount", transfers.amount), "double"), "amount"),
        ],
    )


def _union_or_empty(legs: Iterable[exp.Query], empty: str) -> exp.Query:
    queries = list(legs)
    return union_all(queries) if queries else select_template(empty)


def _step_names(sources: Iterable[str]) -> dict[str, str]:
    """Source -> the name of its step, a plain word."""
    names: dict[str, str] = {}
    for source in sources:
        name = "from_" + (
            re.sub(r"\W+", "_", source.lower(), flags=re.ASCII).strip("_") or "source"
        )
        while name in names.values():
            name += "_"
        names[source] = name
    return names
