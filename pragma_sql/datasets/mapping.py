"""The content of `mapping.yml`: which of a user's tables hold events, profiles, labels, transfers.

Instead of the name of a column, SQL over the columns of its table is allowed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal

Unit = Literal["s", "ms", "us", "ns"]
"""The unit of an integer that counts from 1970-01-01 UTC."""

AsOf = Literal["first_event", "dataset_end"]
"""From when attributes hold if their table has no time: from a user's first event, or from the end
of the dataset, just after its last event and its last label's moment. An export may be as recent as
the labels' answers, so only the end cannot leak; it also works for users without events.
"""

RESERVED_KEYS = ("source", "milestone")
"""Keys that have another meaning in the tokens."""


@dataclass(frozen=True)
class Rows:
    """The rows of one table: of files, of a table of an attached database, or of a query."""

    place: str
    """The place in mapping.yml, such as `events.transactions`."""
    files: tuple[str, ...] = ()
    """Paths or patterns, relative to the project's folder."""
    table: str = ""
    """`<database>.<schema>.<table>`."""
    sql: str = ""
    where: str = ""
    """A condition on the rows to read, as SQL; empty means all rows."""
    distinct: bool = False
    """Whether rows that are equal in all columns count once."""


@dataclass(frozen=True)
class Time:
    """A moment: a column, SQL, or one moment for all rows."""

    value: str | datetime
    unit: Unit | None = None
    format: str = ""
    """A format of `strptime`; empty means ISO 8601."""
    zone: str = ""
    """The IANA zone of local times; empty means the zone of the mapping."""


@dataclass(frozen=True)
class Picked:
    """The columns that become fields, and the names of the fields."""

    listed: Mapping[str, str] | None = None
    """Name -> column or SQL; None means all columns without another role."""
    left_out: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Column -> name of the field."""


@dataclass(frozen=True)
class Events:
    """One source of events."""

    source: str
    rows: Rows
    user: str
    time: Time
    id: str
    """A column that tells events of a user at one moment apart; empty if there is none."""
    fields: Picked


@dataclass(frozen=True)
class Milestone:
    """When something happened to a user for the first time."""

    key: str
    time: Time | None
    """A moment in the row of the profile; None if it is the moment of an event."""
    first_of: str = ""
    """The source whose first event is the milestone."""
    where: str = ""
    """A condition on that event, as SQL; empty means any event."""


@dataclass(frozen=True)
class Profiles:
    """Attributes and milestones."""

    rows: Rows | None
    """The table of attributes; None if there are only milestones."""
    user: str
    as_of: Time | AsOf
    latest: str
    """Column or SQL: of rows of one user and moment, those with its greatest value are read; empty
    reads all."""
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
    """A column or SQL with train, validation or test; empty leaves it to a hash of the user."""


@dataclass(frozen=True)
class Transfers:
    """Payments between users."""

    name: str
    rows: Rows
    from_user: str
    to_user: str
    time: Time
    amount: str


@dataclass(frozen=True)
class DatasetMapping:
    """The content of a mapping.yml."""

    zone: str
    databases: Mapping[str, str]
    """Name -> path of a DuckDB file, relative to the project's folder."""
    events: tuple[Events, ...]
    profiles: Profiles
    labels: tuple[Labels, ...]
    transfers: tuple[Transfers, ...]

    @property
    def digest(self) -> str:
        """Twelve hex digits of a hash of the mapping's content, whatever its layout."""
        # Keys that are left out, and names changed in later versions, do not change the digest.
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
