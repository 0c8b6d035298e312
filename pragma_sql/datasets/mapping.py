"""What `mapping.yml` says: which tables of the user's own hold events, profiles, labels, transfers.

Wherever a column is named, SQL over the columns of its table may stand instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal

Unit = Literal["s", "ms", "us", "ns"]
"""What an integer counts since 1970-01-01 UTC."""

AsOf = Literal["first_event", "dataset_end"]
"""Since when attributes hold, where their table does not say: a user's first event, or the end of
the dataset, just after its last event and its last label's moment. An export may be as young as the
answers to the labels, so the latter alone cannot leak; it also holds for users without events.
"""

RESERVED_KEYS = ("source", "milestone")
"""Keys that the tokens give another meaning."""


@dataclass(frozen=True)
class Rows:
    """The rows of one table: of files, of a table of an attached database, or of a query."""

    place: str
    """Where mapping.yml says so: `events.transactions`."""
    files: tuple[str, ...] = ()
    """Paths or patterns, relative to the project's folder."""
    table: str = ""
    """`<database>.<schema>.<table>`."""
    sql: str = ""
    where: str = ""
    """SQL that is true of the rows to read; empty means all."""
    distinct: bool = False
    """Whether rows that are equal in all columns are one."""


@dataclass(frozen=True)
class Time:
    """A moment: a column or SQL, or the same moment for all rows."""

    value: str | datetime
    unit: Unit | None = None
    format: str = ""
    """As `strptime` reads it; empty means ISO 8601."""
    zone: str = ""
    """The IANA zone of its local times; empty means the zone of the mapping."""


@dataclass(frozen=True)
class Picked:
    """Which columns become fields, and under which names."""

    listed: Mapping[str, str] | None = None
    """Name -> column or SQL; None means all columns that have no other part to play."""
    left_out: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Column -> name."""


@dataclass(frozen=True)
class Events:
    """One source of events."""

    source: str
    rows: Rows
    user: str
    time: Time
    id: str
    """What tells events of a user at one moment apart; empty means that no column does."""
    fields: Picked


@dataclass(frozen=True)
class Milestone:
    """When something happened to a user for the first time."""

    key: str
    time: Time | None
    """A moment in the row of the profile, or None for that of an event."""
    first_of: str = ""
    """The source whose first event it is."""
    where: str = ""
    """SQL that is true of such an event; empty means any."""


@dataclass(frozen=True)
class Profiles:
    """Attributes and milestones."""

    rows: Rows | None
    """None where there are milestones alone."""
    user: str
    as_of: Time | AsOf
    latest: str
    """Of rows of one user and moment, those with the greatest of this count; empty for all."""
    attributes: Picked
    lifelong: tuple[Milestone, ...]


@dataclass(frozen=True)
class Labels:
    """The answers of one task."""

    task: str
    rows: Rows
    user: str
    moment: Time
    label: str
    split: str = ""
    """SQL or a column: train, validation or test; empty leaves it to a hash of the user."""


@dataclass(frozen=True)
class Transfers:
    """Money between users."""

    name: str
    rows: Rows
    from_user: str
    to_user: str
    time: Time
    amount: str


@dataclass(frozen=True)
class DatasetMapping:
    """A whole mapping.yml."""

    zone: str
    databases: Mapping[str, str]
    """Name -> path of a DuckDB file, relative to the project's folder."""
    events: tuple[Events, ...]
    profiles: Profiles
    labels: tuple[Labels, ...]
    transfers: tuple[Transfers, ...]

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with what the mapping says, not with how it is laid out."""
        # Neither a key that the mapping leaves out nor a name that is new here changes the digest.
        said = repr(self).replace(", split=''", "").replace(", latest=''", "")
        for name, before in (("DatasetMapping(", "BookMapping("), ("'dataset_end'", "'book_end'")):
            said = said.replace(name, before)
        return sha256(said.encode()).hexdigest()[:12]

    def tables(self) -> Iterator[Rows]:
        """All tables that are read."""
        yield from (events.rows for events in self.events)
        if self.profiles.rows:
            yield self.profiles.rows
        yield from (labels.rows for labels in self.labels)
        yield from (transfers.rows for transfers in self.transfers)
