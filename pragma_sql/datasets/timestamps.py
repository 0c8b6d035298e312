"""Moments in a user's tables -> UTC timestamps."""

from __future__ import annotations

import re
from datetime import datetime

from sqlglot import exp

from pragma_sql.datasets.columns import scalar
from pragma_sql.datasets.from_clause import fill_template
from pragma_sql.datasets.mapping import Time
from pragma_sql.datasets.user_tables import Found, UserTables
from pragma_sql.formats.errors import PragmaError

ZONED = "TIMESTAMP WITH TIME ZONE"
INTEGERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
NUMBERS = re.compile(r"DOUBLE|FLOAT|DECIMAL.*")

FROM_EPOCH = {
    "s": "make_timestamp(try_cast(try_cast($t as double) * 1000000 as bigint))",
    "ms": "make_timestamp(try_cast(try_cast($t as double) * 1000 as bigint))",
    "us": "make_timestamp(try_cast($t as bigint))",
    "ns": "make_timestamp(try_cast($t as bigint) // 1000)",
}
DIGITS = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2}
OFFSET = r"\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"


def moment(tables: UserTables, found: Found, key: str, time: Time, zone: str) -> exp.Expr:
    """A moment as a UTC timestamp; null if a value does not parse.

    Args:
        tables: the user's tables.
        found: the table.
        key: the key of the section in mapping.yml.
        time: the entry of mapping.yml.
        zone: the time zone of local times without one.

    Raises:
        PragmaError: the type needs a unit or a format, or values of the first rows do not parse.
    """
    place = f"{found.place}.{key}"
    local = tables.zone(place, time.zone or zone)
    if isinstance(time.value, datetime):
        return _utc(exp.cast(exp.Literal.string(str(time.value)), "timestamp"), local)
    value = scalar(found, key, time.value)
    parsed = _parse(tables, found, key, time, value)
    zoned = tables.type_of(found, parsed, key) == ZONED
    if time.zone and (zoned or time.unit):
        raise PragmaError(
            f"mapping.yml: {place}: {time.value} is in UTC or names its own zone",
            "leave out `zone`",
        )
    _check_sample(tables, found, key, value, parsed)
    if zoned:
        return fill_template("timezone('UTC', $t)", t=parsed)
    return parsed if time.unit else _utc(parsed, local)


def _parse(tables: UserTables, found: Found, key: str, time: Time, value: exp.Expr) -> exp.Expr:
    """The value as a timestamp, with or without a zone, not yet in UTC."""
    kind = tables.type_of(found, value, key)
    place = f"mapping.yml: {found.place}.{key}"
    if time.unit:
        if time.format or not (
            INTEGERS.fullmatch(kind) or NUMBERS.fullmatch(kind) or kind == "VARCHAR"
        ):
            raise PragmaError(f"{place}: {time.value} is {kind}", "leave out `unit`")
        return fill_template(FROM_EPOCH[time.unit], t=value)
    if time.format:
        text = _padded(value, kind, time.format)
        return fill_template(
            "try_strptime($t, $format)", t=text, format=exp.Literal.string(time.format)
        )
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return value if kind in (ZONED, "TIMESTAMP") else exp.cast(value, "timestamp")
    if kind == "VARCHAR":
        (offset,) = tables.sample(
            found,
            "select bool_or(regexp_matches(value, pattern)) from sample",
            value=value,
            pattern=exp.Literal.string(OFFSET),
        )
        # A cast to TIMESTAMP would silently drop the offset.
        return exp.TryCast(
            this=value, to=exp.DataType.build("timestamptz" if offset else "timestamp")
        )
    raise PragmaError(
        f"{place}: {time.value} is {kind}, which alone is no moment",
        f"write {{column: {time.value}, unit: s}} (or ms, us, ns), or {{..., format: '%Y%m%d'}}",
    )


def _padded(value: exp.Expr, kind: str, layout: str) -> exp.Expr:
    """A number as text, with its lost leading zeros restored."""
    text = value if kind == "VARCHAR" else exp.cast(value, "varchar")
    codes = re.findall(r"%.", layout)
    if not INTEGERS.fullmatch(kind) or "".join(codes) != layout or set(codes) - set(DIGITS):
        return text
    width = exp.Literal.number(sum(DIGITS[code] for code in codes))
    return fill_template("lpad($t, $width, '0')", t=text, width=width)


def _utc(local: exp.Expr, zone: str) -> exp.Expr:
    """A local time in UTC. A time that occurs twice is the later one; a skipped one moves on."""
    if zone == "UTC":
        return local
    return fill_template(
        "timezone('UTC', timezone($zone, $t))", zone=exp.Literal.string(zone), t=local
    )


def _check_sample(
    tables: UserTables, found: Found, key: str, value: exp.Expr, parsed: exp.Expr
) -> None:
    query = (
        "select count(*), count(*) filter (value is not null and parsed is null),"
        " min(cast(value as varchar)) filter (value is not null and parsed is null) from sample"
    )
    rows, bad, example = tables.sample(found, query, value=value, parsed=parsed)
    if bad:
        raise PragmaError(
            f"mapping.yml: {found.place}.{key}: {bad:,} of the first {rows:,} rows do not parse as "
            f"a moment, for example {example!r}",
            "say how: {column: ..., format: '%d.%m.%Y'}; or leave such rows out with `where`",
        )
