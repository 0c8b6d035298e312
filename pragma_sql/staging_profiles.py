"""The staging model of profiles, from what mapping.yml says of attributes and milestones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from pragma_sql.expressions import checked, condition, field_map, look, scalar
from pragma_sql.leaks import answers_in
from pragma_sql.mapping import BookMapping, Profiles
from pragma_sql.moments import moment
from pragma_sql.snapshots import Attributes, snapshots
from pragma_sql.sqltext import column
from pragma_sql.user_tables import Found, UserTables


def profiles_query(
    mapping: BookMapping, tables: UserTables, found: Mapping[str, Found], book: str
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
    return snapshots(book, attributes, occurrences), _notes(profiles)


def _attributes(mapping: BookMapping, tables: UserTables, found: Found) -> Attributes:
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
    rows = checked(tables, found, columns)
    if latest:
        moments = [each.this for each in columns[1:-1]]
        rows = rows.qualify(_is_latest([user, *moments], latest))
    return Attributes(rows, as_of if isinstance(as_of, str) else None)


def _is_latest(key: Sequence[exp.Expr], latest: exp.Expr) -> exp.Expr:
    """True of the rows with the greatest value of their key, and of those that have no key."""
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
    if profiles.rows is None or profiles.as_of != "book_end":
        return ()
    return (
        "profiles: nothing says since when the attributes hold, so they hold from the end of the "
        "book on, and no label sees them; `as_of: first_event` is for what never changes",
    )
