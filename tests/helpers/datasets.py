"""Small datasets in the contract's format, written as any other program would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TEXT_MAP = pa.map_(pa.string(), pa.string())
MICROS = pa.timestamp("us")

EVENTS = pa.schema(
    {
        "user_id": pa.string(),
        "ts": MICROS,
        "source": pa.string(),
        "fields": TEXT_MAP,
        "event_id": pa.string(),
    }
)
PROFILES = pa.schema(
    {
        "user_id": pa.string(),
        "as_of": MICROS,
        "attributes": TEXT_MAP,
        "lifelong": pa.list_(pa.struct({"key": pa.string(), "ts": MICROS})),
    }
)
LABELS = pa.schema(
    {"task": pa.string(), "user_id": pa.string(), "eval_ts": MICROS, "label": pa.float64()}
)


@dataclass(frozen=True)
class Event:
    """One event; `day` is like '2024-01-05' or '2024-01-05 12:30'."""

    user_id: str | None
    day: str | None
    fields: Mapping[str, str | None] | None = field(default_factory=dict)
    source: str | None = "card"
    event_id: str | None = None

    @property
    def ts(self) -> datetime | None:
        return datetime.fromisoformat(self.day) if self.day else None

    def row(self) -> dict[str, object]:
        fields = None if self.fields is None else list(self.fields.items())
        return {
            "user_id": self.user_id,
            "ts": self.ts,
            "source": self.source,
            "fields": fields,
            "event_id": self.event_id,
        }


@dataclass(frozen=True)
class Profile:
    """One snapshot of a user; `lifelong` maps milestones to days."""

    user_id: str | None
    day: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    lifelong: Mapping[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, object]:
        milestones = [
            {"key": key, "ts": datetime.fromisoformat(day)} for key, day in self.lifelong.items()
        ]
        return {
            "user_id": self.user_id,
            "as_of": datetime.fromisoformat(self.day),
            "attributes": list(self.attributes.items()),
            "lifelong": milestones,
        }


@dataclass(frozen=True)
class Label:
    """One answer."""

    task: str
    user_id: str
    day: str
    label: float

    def row(self) -> dict[str, object]:
        moment = datetime.fromisoformat(self.day)
        return {
            "task": self.task,
            "user_id": self.user_id,
            "eval_ts": moment,
            "label": self.label,
        }


def write_dataset(
    folder: Path,
    events: Sequence[Event],
    profiles: Sequence[Profile] = (),
    labels: Sequence[Label] = (),
) -> Path:
    """Write a contract folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, schema in (
        ("events", [event.row() for event in events], EVENTS),
        ("profiles", [profile.row() for profile in profiles], PROFILES),
        ("labels", [label.row() for label in labels], LABELS),
    ):
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{name}.parquet")
    return folder


SHOPS = ("Café Zoë", "corner shop", "corner café", "tesco 1234", "tesco 99", "TESCO", "amazon uk")


def toy_events() -> list[Event]:
    """Forty users over a year, by arithmetic: every kind of field, zeros, refunds and gaps."""
    events = []
    for user in range(40):
        for number in range(3 + user % 17):
            day = 1 + (number * 7 + user * 3) % 27
            month = 1 + (number + user) % 12
            fields: dict[str, str | None] = {
                "amount": f"{(user * 37 + number * 101) % 977 / 7 - 20:.2f}" if number % 9 else "0",
                "shop": f"{SHOPS[(user + number) % 7]} {number % 4}",
                "category": ("food", "fuel", "rent", "fun")[(user * number) % 4],
                "mcc": ("5411", "5812", "4111")[number % 3],
            }
            if number % 5 == 0:
                del fields["category"]
            events.append(
                Event(
                    user_id=f"user {user:02d}",
                    day=f"2024-{month:02d}-{day:02d} {(user + number) % 24:02d}:00",
                    fields=fields,
                    source="card" if number % 4 else "transfer",
                    event_id=f"{user}-{number}",
                )
            )
    return events


def toy_profiles() -> list[Profile]:
    """A profile a user, with attributes and up to two milestones."""
    profiles = []
    for user in range(40):
        lifelong = {"first_login": f"2024-01-{1 + user % 28:02d}"}
        if user % 3 == 0:
            lifelong["first_refund"] = f"2024-{2 + user % 10:02d}-15"
        profiles.append(
            Profile(
                f"user {user:02d}",
                "2024-01-01",
                {"region": ("north", "south")[user % 2], "age": str(20 + user)},
                lifelong,
            )
        )
    return profiles


def toy_labels() -> list[Label]:
    """Two moments a user; the answers mean nothing."""
    return [
        Label("late", f"user {user:02d}", day, float((user + month) % 2))
        for user in range(40)
        for month, day in enumerate(("2024-07-01", "2024-10-01"))
    ]


TOY_VARS: Mapping[str, str | int | float] = {
    "fit_until": "2024-07-01",
    "max_categories": 9,
    "bins": 8,
}
"""Vars that give the toy dataset each kind of field: shop is text, amount numeric, mcc a code."""
