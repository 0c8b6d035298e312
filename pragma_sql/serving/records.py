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
`attributes` and `lifelong`. Any other name is refused.
"""  # noqa: E501 - one event a line

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pragma_sql.checks.limits import Limits
from pragma_sql.formats.errors import PragmaError

FORMAT = (
    'a record looks like {"events": [{"ts": "2024-07-01T12:00:00", "source": "card", '
    '"fields": {"amount": "9.50"}}]}'
)
LIMITS = Limits()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = (
    (datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    for day in (LIMITS.earliest, LIMITS.latest)
)
UNITS: Mapping[str, Callable[[int], int]] = {
    "seconds": lambda number: number * 1_000_000,
    "milliseconds": lambda number: number * 1_000,
    "nanoseconds": lambda number: number // 1_000,
}
LONGEST_NUMBER = 20
"""Most characters of a moment as a number; Python refuses to read thousands of digits."""


class Number(str):
    """A number in the form it is written in."""

    __slots__ = ()


Json = str | bool | None | list["Json"] | dict[str, "Json"]


def parsed(text: str) -> Json:
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
        raise refusal(f"not JSON: {error.msg} {at}") from None
    except UnicodeEncodeError:
        raise refusal("not Unicode: half of a pair of surrogates stands alone") from None
    except RecursionError:
        raise refusal("not a record: it is nested too deeply") from None
    return content


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise refusal(f"the name {_shown(twice)} stands twice in one object")
    return content


def _no_number(text: str) -> Json:
    raise refusal(f"not JSON: {text} is no number in JSON", "write null, or text")


def moment_of(value: Json, where: str) -> int:
    """Microseconds UTC, from ISO 8601 text or from a number of microseconds."""
    if value is None:
        raise refusal(f"{where} is missing", "give each its moment, like 2024-07-01T12:00:00")
    if isinstance(value, Number):
        return _micros(value, where)
    if not isinstance(value, str):
        raise refusal(f"{where} is {_shown(value)}, not a moment")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        example = "write it like 2024-07-01T12:00:00"
        raise refusal(f"{where}: {_shown(value)} is not a moment", example) from None
    utc = moment.replace(tzinfo=moment.tzinfo or UTC)
    return _within((utc - EPOCH) // timedelta(microseconds=1), value, where)


def _micros(text: str, where: str) -> int:
    if len(text) > LONGEST_NUMBER or not text.lstrip("-").isdigit():
        raise refusal(f"{where}: {_shown(text)} is not a whole number of microseconds")
    number = int(text)
    for unit, micros in UNITS.items():
        if not EARLIEST <= number <= LATEST and EARLIEST <= micros(number) <= LATEST:
            raise refusal(
                f"{where}: {text} looks like {unit}, but must be microseconds since 1970",
                "convert it to microseconds, or write it like 2024-07-01T12:00:00",
            )
    return _within(number, text, where)


def _within(number: int, text: str, where: str) -> int:
    if not EARLIEST <= number <= LATEST:
        raise refusal(f"{where}: {_shown(text)} lies outside {LIMITS}", "fix the clock")
    return number


def texts_of(value: Json, where: str) -> dict[str, str | None]:
    """An object of texts, numbers, booleans and nulls as a map of texts."""
    if not isinstance(value, dict):
        raise refusal(f"{where} is {_shown(value)}, not an object")
    texts: dict[str, str | None] = {}
    for key, content in value.items():
        if not key:
            raise refusal(f"{where} holds a value without a name: its key is empty")
        if isinstance(content, list | dict):
            raise refusal(
                f"{where}: the value of {_shown(key)} is nested",
                "give text, a number, true, false or null; flatten what is nested",
            )
        if isinstance(content, bool):
            texts[key] = str(content).lower()
        else:
            texts[key] = None if content is None else str(content)
    return texts


def object_of(value: Json, where: str, names: set[str]) -> dict[str, Json]:
    """An object whose names are all among `names`."""
    if not isinstance(value, dict):
        raise refusal(f"{where} is {_shown(value)}, not an object")
    if unknown := sorted(value.keys() - names):
        raise refusal(
            f"{where}: there is no {_shown(unknown[0])}; known are {', '.join(sorted(names))}"
        )
    return value


def list_of(value: Json, where: str) -> list[Json]:
    """A list; empty for null."""
    if value is not None and not isinstance(value, list):
        raise refusal(f"{where} is {_shown(value)}, not a list")
    return value or []


def text_of(value: Json, where: str) -> str:
    """Text that is not blank; a number counts as the text that is written."""
    if isinstance(value, bool | list | dict) or value is None or not value.strip():
        raise refusal(f"{where} is {_shown(value)}, not text")
    return str(value)


def _shown(value: Json) -> str:
    """A value as JSON, shortened; `missing` for null."""
    if value is None:
        return "missing"
    text = str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."


def refusal(what: str, next_step: str = FORMAT) -> PragmaError:
    """The error for an invalid value."""
    return PragmaError(what, next_step)


@dataclass(frozen=True)
class Event:
    """A row of `contract.events`; `ts` in microseconds UTC."""

    ts: int
    source: str
    event_id: str | None
    fields: Mapping[str, str | None]


@dataclass(frozen=True)
class Snapshot:
    """A row of `contract.profiles`; moments in microseconds UTC."""

    as_of: int
    attributes: Mapping[str, str | None]
    lifelong: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Record:
    """One user's history, after the checks."""

    moment: int | None
    """Microseconds UTC; None means after all that is known."""
    events: Sequence[Event] = ()
    profile: Sequence[Snapshot] = field(default=())


def read_record(text: str) -> Record:
    """Read one record.

    Raises:
        PragmaError: the text is not JSON, or breaks a rule at a place such as `events[3].ts`.
    """
    content = parsed(text)
    known = object_of(content, "the record", {"user_id", "moment", "events", "profile"})
    if known.get("user_id") is not None:
        text_of(known["user_id"], "user_id")
    moment = known.get("moment")
    profile = known.get("profile")
    snapshots = [profile] if isinstance(profile, dict) else list_of(profile, "profile")
    record = Record(
        moment=None if moment is None else moment_of(moment, "moment"),
        events=[
            _event(event, f"events[{number}]")
            for number, event in enumerate(list_of(known.get("events"), "events"))
        ],
        profile=[
            _snapshot(snapshot, f"profile[{number}]") for number, snapshot in enumerate(snapshots)
        ],
    )
    moments = [snapshot.as_of for snapshot in record.profile]
    if len(set(moments)) < len(moments):
        raise refusal("profile: two snapshots have the same as_of", "keep one of them")
    return record


def _event(value: Json, where: str) -> Event:
    known = object_of(value, where, {"ts", "source", "event_id", "fields"})
    event_id = known.get("event_id")
    if "fields" not in known:
        raise refusal(f"{where}.fields is missing", "give an event without fields {}")
    return Event(
        ts=moment_of(known.get("ts"), f"{where}.ts"),
        source=text_of(known.get("source"), f"{where}.source"),
        event_id=None if event_id is None else text_of(event_id, f"{where}.event_id"),
        fields=texts_of(known["fields"], f"{where}.fields"),
    )


def _snapshot(value: Json, where: str) -> Snapshot:
    known = object_of(value, where, {"as_of", "attributes", "lifelong"})
    lifelong = []
    for number, milestone in enumerate(list_of(known.get("lifelong"), f"{where}.lifelong")):
        at = f"{where}.lifelong[{number}]"
        named = object_of(milestone, at, {"key", "ts"})
        lifelong.append(
            (text_of(named.get("key"), f"{at}.key"), moment_of(named.get("ts"), f"{at}.ts"))
        )
    return Snapshot(
        as_of=moment_of(known.get("as_of"), f"{where}.as_of"),
        attributes=texts_of(known.get("attributes", {}), f"{where}.attributes"),
        lifelong=lifelong,
    )
