"""JSON records: histories of users that are in no warehouse, one user a record.

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

It is the contract as JSON, under the contract's rules. A moment is text in ISO 8601, UTC when it names
no offset, or whole microseconds since 1970, UTC. Values of `fields` and `attributes` are text; numbers
and true or false are read as they are written, null as not there. Left out may be `user_id`, `moment`
(then after all that is known), `events`, `event_id`, `profile` (a list, or one snapshot), `attributes`
and `lifelong`. Nothing else is known: a name that is none of these is refused.
"""  # noqa: E501 - one event a line

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pragma_udfs.record_values import (
    Json,
    list_of,
    moment_of,
    object_of,
    parsed,
    refusal,
    text_of,
    texts_of,
)


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
    """One user's history, checked."""

    moment: int | None
    """Microseconds UTC; None means after all that is known."""
    events: Sequence[Event] = ()
    profile: Sequence[Snapshot] = field(default=())


def read_record(text: str) -> Record:
    """Read one record.

    Raises:
        PragmaError: it is no JSON, or breaks a rule; says where, like `events[3].ts`.
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
