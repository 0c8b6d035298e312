"""A first mapping.yml guessed from the columns of tables, for the user to correct."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import yaml
from sqlglot import exp

from pragma_sql.datasets.columns import NESTED, scalar
from pragma_sql.datasets.from_clause import column, fill_template, lower_keywords, to_sql
from pragma_sql.datasets.leaks import left_out
from pragma_sql.datasets.mapping import RESERVED_KEYS, Rows, Time, Unit
from pragma_sql.datasets.timestamps import moment
from pragma_sql.datasets.user_tables import Found, UserTables, user_tables
from pragma_sql.formats.errors import PragmaError

USERS = r"user|customer|client|member|account|acct|card|household|user_?no|id"
TIMES = r"ts|time|timestamp|datetime|date|day|month|.*(_at|_ts|_time|_date|_day|time|date)"
FORMATS = ("%Y%m%d", "%y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
UNITS: tuple[tuple[Unit, int], ...] = (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
CHOOSE = "CHOOSE"
"""A placeholder for what could not be guessed; a mapping with one is refused."""

Guess = dict[str, object]


@dataclass(frozen=True)
class Guessed:
    """A first mapping as YAML, and a cut-off for the fit."""

    text: str
    fit_until: str | None
    """Four fifths of the way from the first event to the last; None if it is unknown."""
    notes: tuple[str, ...] = ()
    """Sentences on what was left out, and why."""


def guess_mapping(folder: Path, pairs: Sequence[str]) -> Guessed:
    """Guess a mapping from the columns and first rows of tables.

    Args:
        folder: the project's folder, to which paths become relative.
        pairs: NAME=PATH as typed; the path of a table in a DuckDB file is `bank.duckdb:main.cards`.

    Raises:
        PragmaError: a table is missing or cannot be read.
    """
    databases: dict[str, str] = {}
    sources = [_rows(folder, pair, databases) for pair in pairs]
    names = [name for name, _ in sources]
    for name in names:
        if names.count(name) > 1:
            raise PragmaError(f"--table {name}: there are two of that name", "name them apart")
    events: Guess = {}
    profiles: Guess = {}
    spans = []
    notes: list[str] = []
    with user_tables(folder, databases) as tables:
        for name, rows in sources:
            found = tables.find(rows)
            time = _time(tables, found)
            if time is None and not profiles and len(pairs) > 1:
                told = left_out(found, "profiles")
                profiles = _profile(found, rows, told)
            else:
                at = moment(tables, found, "time", time[1], "UTC") if time else None
                told = left_out(found, f"events.{name}", tables, at)
                events[name] = _event(tables, found, rows, time, name, told)
                spans += [_span(tables, found, time[1])] if time else []
            notes += told.values()
    dataset: Guess = {"databases": databases} if databases else {}
    dataset |= {"events": events} | ({"profiles": profiles} if profiles else {})
    text = yaml.safe_dump(
        dataset, sort_keys=False, default_flow_style=None, width=110, indent=4, allow_unicode=True
    )
    return Guessed(text, _cut([span for span in spans if span]), tuple(notes))


def _rows(folder: Path, pair: str, databases: dict[str, str]) -> tuple[str, Rows]:
    name, equals, path = pair.partition("=")
    if not (equals and name.strip() and path.strip()):
        raise PragmaError(f"--table {pair}: no NAME=PATH", "write it like cards=data/cards.parquet")
    place = f"events.{name}"
    in_database = re.fullmatch(r"(.+\.(?:duckdb|ddb|db)):(.+)", path)
    if in_database is None:
        return name, Rows(place, files=(_relative(folder, path),))
    file = _relative(folder, in_database[1])
    alias = re.sub(r"\W", "_", Path(file).stem)
    if databases.setdefault(alias, file) != file:
        raise PragmaError(f"--table {pair}: two databases are called {alias}", "rename one")
    return name, Rows(place, table=f"{alias}.{in_database[2]}")


def _relative(folder: Path, path: str) -> str:
    if "://" in path:
        return path
    return Path(os.path.relpath(Path(path).absolute(), folder.absolute())).as_posix()


def _event(
    tables: UserTables,
    found: Found,
    rows: Rows,
    time: tuple[str, Time] | None,
    name: str,
    told: Mapping[str, str],
) -> Guess:
    user = _user(found)
    event_id = _id(tables, found, name, {user})
    parts = {user, event_id, time[0] if time else "", *told}
    guess = _source(rows) | {"user": user, "time": _written(time[1] if time else None)}
    return guess | ({"id": event_id} if event_id else {}) | {"fields": _fields(found, parts)}


def _profile(found: Found, rows: Rows, told: Mapping[str, str]) -> Guess:
    user = _user(found)
    return _source(rows) | {"user": user, "attributes": _fields(found, {user, *told})}


def _source(rows: Rows) -> Guess:
    return {"table": rows.table} if rows.table else {"files": rows.files[0]}


def _written(time: Time | None) -> object:
    if time is None:
        return CHOOSE
    more = {"unit": time.unit, "format": time.format}
    given = {key: value for key, value in more.items() if value}
    return {"column": time.value, **given} if given else time.value


def _user(found: Found) -> str:
    for word in USERS.split("|"):
        for name in found.columns:
            if re.fullmatch(rf"{word}(_?(id|no|key|code|number))?", name, re.I):
                return name
    return CHOOSE


def _id(tables: UserTables, found: Found, source: str, taken: set[str]) -> str:
    stem = source.lower().rstrip("s")
    for name in found.columns:
        plain = re.sub(r"_?(id|key|uuid)$", "", name.lower())
        known = plain in ("", "event", "row") or (plain and stem.startswith(plain))
        if name in taken or plain == name.lower() or not known:
            continue
        query = "select count(*) = count(distinct value) from sample"
        if tables.sample(found, query, value=scalar(found, "id", name)) == (True,):
            return name
    return ""


def _fields(found: Found, taken: set[str]) -> list[object]:
    return [
        {f"{name}_": name} if name in RESERVED_KEYS else name
        for name, kind in found.columns.items()
        if name not in taken and not NESTED.fullmatch(kind)
    ]


def _time(tables: UserTables, found: Found) -> tuple[str, Time] | None:
    """The name of a column that holds moments, and how to read it; None if there is none."""
    for name, kind in found.columns.items():
        if kind.startswith("TIMESTAMP") or kind == "DATE":
            return name, Time(name)
    for name in found.columns:
        if re.fullmatch(TIMES, name, re.I):
            fitting = [time for time in _candidates(found, name) if _plausible(tables, found, time)]
            # Two formats that fit, such as day-month and month-day, leave the format unknown.
            if len(fitting) == 1:
                return name, fitting[0]
    return None


def _candidates(found: Found, name: str) -> list[Time]:
    formats = [Time(name, format=layout) for layout in FORMATS]
    if found.columns[name] == "VARCHAR":
        # The row of a month is known only when the month ends.
        parsed = fill_template(
            "last_day(strptime($month, $layout))",
            month=column(name),
            layout=exp.Literal.string("%Y-%m"),
        )
        return [Time(name), *formats, Time(lower_keywords(to_sql(parsed)))]
    return [*(Time(name, unit=unit) for unit, _ in UNITS), *formats[:2]]


def _plausible(tables: UserTables, found: Found, time: Time) -> bool:
    """Whether all of the first rows are moments of 1980 to 2040."""
    try:
        parsed = moment(tables, found, "time", time, "UTC")
        query = (
            "select count(parsed) > 0 and bool_and(parsed between timestamp '1980-01-01' and"
            " timestamp '2040-01-01') from sample"
        )
        return tables.sample(found, query, parsed=parsed) == (True,)
    except (PragmaError, duckdb.Error):
        return False


def _span(tables: UserTables, found: Found, time: Time) -> tuple[datetime, datetime] | None:
    parsed = moment(tables, found, "time", time, "UTC")
    first, last = tables.row(found.select(exp.Min(this=parsed.copy()), exp.Max(this=parsed.copy())))
    return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None


def _cut(spans: Sequence[tuple[datetime, datetime]]) -> str | None:
    if not spans:
        return None
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    cut: date = (first + timedelta(seconds=0.8 * (last - first).total_seconds())).date()
    return cut.isoformat()
