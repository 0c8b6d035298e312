"""JSON records: histories of users who are not in a warehouse, one user per record.

    {
        "user_id": "u1",
        "moment": "2024-07-01",
        "events": [
            {"ts": "2024-06-30T12:00:00", "source": "card", "event_id": "e1", "fields": {"mcc": "5411"}}
        ],
        "profile": [
            {"as_of": "2024-01-01", "attributes": {"region": "north"},
             "lifelong": [{"key": "first_login", "ts": 1704067200000000}]}
        ]
    }

A record is the contract as JSON, under the contract's rules. A moment is ISO 8601 text, in UTC unless it
names an offset, or whole microseconds since 1970, UTC. Values of `fields` and `attributes` are text;
numbers, true and false count as the text that is written, null as absent. Optional are `user_id`,
`moment` (then after all that is known), `events`, `event_id`, `profile` (a list, or one snapshot),
`attributes` and `lifelong`. Any other key is refused.
"""  # noqa: E501 - one event a line

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from pragma_sql.checks.limits import Limits
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.validation import Wording, as_json, not_a, validate, wrong

FORMAT = (
    'a record looks like {"events": [{"ts": "2024-07-01T12:00:00", "source": "card", '
    '"fields": {"amount": "9.50"}}]}'
)
LIMITS = Limits()
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = (
    (datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH) // MICROSECOND
    for day in (LIMITS.earliest, LIMITS.latest)
)
UNITS: Mapping[str, Callable[[int], int]] = {
    "seconds": lambda number: number * 1_000_000,
    "milliseconds": lambda number: number * 1_000,
    "nanoseconds": lambda number: number // 1_000,
}
MAX_NUMBER_LENGTH = 20
"""Most characters of a moment as a number; Python refuses to read thousands of digits."""


class Number(str):
    """A number in the form it is written in."""

    __slots__ = ()


Json = str | bool | None | list["Json"] | dict[str, "Json"]


def _parse(text: str) -> Json:
    """Parse JSON, with numbers kept as written; a repeated name in an object is refused."""
    try:
        text.encode()
        content: Json = json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_no_number,
            object_pairs_hook=_once,
        )
        if "\\u" in text:
            json.dumps(content, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        at = f"at line {error.lineno}, column {error.colno}"
        raise _refusal(f"not JSON: {error.msg} {at}") from None
    except UnicodeEncodeError:
        raise _refusal("not Unicode: half of a pair of surrogates stands alone") from None
    except RecursionError:
        raise _refusal("not a record: it is nested too deeply") from None
    return content


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _refusal(f"the key {_show(twice)} stands twice in one object")
    return content


def _no_number(text: str) -> Json:
    raise _refusal(f"not JSON: {text} is no number in JSON", "write null, or text")


def _refusal(what: str, next_step: str = FORMAT) -> PragmaError:
    return PragmaError(what, next_step)


def _show(value: object) -> str:
    return as_json(value).strip('"') if isinstance(value, Number) else as_json(value)


def _moment(value: Json) -> int:
    """Microseconds UTC, from ISO 8601 text or from a number of microseconds."""
    if isinstance(value, Number):
        return _micros(value)
    if not isinstance(value, str):
        raise not_a("a moment", "write it like 2024-07-01T12:00:00")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise not_a("a moment", "write it like 2024-07-01T12:00:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _within((moment - EPOCH) // MICROSECOND, value)


def _micros(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH or not text.lstrip("-").isdigit():
        raise not_a("a whole number of microseconds")
    number = int(text)
    for unit, micros in UNITS.items():
        if not EARLIEST <= number <= LATEST and EARLIEST <= micros(number) <= LATEST:
            raise wrong(
                f"{text} looks like {unit}, but must be microseconds since 1970",
                "convert it to microseconds, or write it like 2024-07-01T12:00:00",
            )
    return _within(number, text)


def _within(number: int, text: str) -> int:
    if not EARLIEST <= number <= LATEST:
        raise wrong(f"{_show(text)} lies outside {LIMITS}", "fix the clock")
    return number


def _not_blank(text: str) -> str:
    if not text.strip():
        raise not_a("text")
    return text


def _texts(values: Json) -> Json:
    """The texts, with true and false as the text that is written."""
    if isinstance(values, dict) and (True in values.values() or False in values.values()):
        return {k: str(v).lower() if isinstance(v, bool) else v for k, v in values.items()}
    return values


def _as_list(value: Json) -> Json:
    return [] if value is None else value


def _snapshots(value: Json) -> Json:
    return [value] if isinstance(value, dict) else _as_list(value)


def _check_moments(snapshots: list[Snapshot]) -> list[Snapshot]:
    if len({snapshot.as_of for snapshot in snapshots}) < len(snapshots):
        raise wrong("two snapshots have the same as_of", "keep one of them")
    return snapshots


Moment = Annotated[int, BeforeValidator(_moment)]
"""Microseconds UTC."""
Text = Annotated[str, AfterValidator(_not_blank)]
Texts = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1)], str | None], BeforeValidator(_texts)
]


@dataclass(frozen=True)
class Event:
    """A row of `contract.events`."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    ts: Moment
    source: Text
    fields: Texts
    event_id: Text | None = None


@dataclass(frozen=True)
class Milestone:
    """An entry of `lifelong`."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    key: Text
    ts: Moment


@dataclass(frozen=True)
class Snapshot:
    """A row of `contract.profiles`."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    as_of: Moment
    attributes: Texts = field(default_factory=dict)
    lifelong: Annotated[list[Milestone], BeforeValidator(_as_list)] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """One user's history, after the checks."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    user_id: Text | None = None
    moment: Moment | None = None
    """None means after all that is known."""
    events: Annotated[list[Event], BeforeValidator(_as_list)] = field(default_factory=list)
    profile: Annotated[
        list[Snapshot], BeforeValidator(_snapshots), AfterValidator(_check_moments)
    ] = field(default_factory=list)


WORDING = Wording(
    "the record",
    FORMAT,
    missing=f"add {{}}; {FORMAT}",
    text="give text or a number; flatten what is nested",
    shown=_show,
)


def read_record(text: str) -> Record:
    """Read one record.

    Raises:
        PragmaError: the text is not JSON, or breaks a rule at a place such as `events[3].ts`.
    """
    return validate(Record, _parse(text), WORDING)
