"""What a rule of the contract is made of: the rows it is asked of and SQL true of an offending one.

Rules of one `Scan` are asked in one pass over its rows, and every row is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from sqlglot import exp


@dataclass(frozen=True)
class Limits:
    """Moments, both ends included, and bytes of a value."""

    earliest: date = date(1990, 1, 1)
    latest: date = date(2100, 1, 1)
    value_bytes: int = 10_000

    def __str__(self) -> str:
        return f"{self.earliest} .. {self.latest}"

    def outside(self, moment: str) -> str:
        """SQL: the moment lies outside; null when there is none."""
        return f"{moment} not between timestamp '{self.earliest}' and timestamp '{self.latest}'"

    def long(self, text: str) -> str:
        """SQL: the text is longer than allowed."""
        return f"strlen({text}) > {self.value_bytes}"


Severity = Literal["error", "warn"]
"""A broken error-rule stops the build; a warning is only shown."""

EVENT_USERS = "select distinct user_id from contract.events where user_id is not null"
"""One row a user with events: the table `event_users` that scans may join."""


@dataclass(frozen=True)
class Scan:
    """Rows of a relation, and the columns that name a row in an example."""

    relation: str
    shows: tuple[str, ...]
    rows: str = "{source}"
    """SQL of the rows; `{source}` stands for the relation, or the part of it that is looked at."""
    adds: tuple[str, ...] = ()
    """Columns that `rows` has beside the relation's own."""

    def over(self, source: str) -> str:
        """SQL of the rows of a relation, which is given by its name or as SQL in brackets."""
        return self.rows.replace("{source}", source)

    def without(self, source: str, broken: str) -> str:
        """SQL, in brackets, of a relation's rows but for those of which `broken` is true."""
        return f"(select * from {self.over(source)} where not {broken})"  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class Repeats(Scan):
    """Rows that have a key, each with a `copy` that counts the rows of that key from 1."""

    key: tuple[str, ...]
    others: tuple[str, ...]
    """The relation's other columns, by which copies are put in order."""
    has_key: str
    """SQL: the row has such a key."""
    last: bool = False
    """Whether the first copy is the last delivered: by file name, then by row."""

    @property
    def hashed(self) -> str:
        """SQL: the hash of a row's key; null when it has none."""
        return f"case when {self.has_key} then hash({', '.join(self.key)}) end"

    def over(self, source: str) -> str:
        """SQL of the rows with a key."""
        rows = self._delivered(source)
        return f"(select *, {self._copy} as copy from {rows} where {self.has_key})"  # noqa: S608

    def among(self, source: str, hashes: str) -> str:
        """The same, of those rows alone whose hash is among the given ones."""
        repeated = f"{self.hashed} in ({hashes})"
        rows = self._delivered(source)
        return f"(select *, {self._copy} as copy from {rows} where {repeated})"  # noqa: S608

    def without(self, source: str, broken: str) -> str:
        """SQL, in brackets, of the first row of each key and of the rows without one."""
        first = f"{self._copy} = 1 or not ({self.has_key})"
        return f"(select * from {self._delivered(source)} qualify {first})"  # noqa: S608

    def _delivered(self, source: str) -> str:
        """Rows are read in the order of files and of rows in them; a number keeps it."""
        if not self.last:
            return source
        return f"(select *, row_number() over () as delivered from {source})"  # noqa: S608

    @property
    def _copy(self) -> str:
        partition = f"partition by {', '.join(self.key)}"
        order = ", ".join(("delivered desc",) if self.last else self.others)
        return f"row_number() over ({partition} order by {order})"


@dataclass(frozen=True)
class Rule:
    """What may not be in a relation of the contract."""

    name: str
    scan: Scan
    column: str
    """Where to look; empty when the relation as a whole is meant."""
    condition: str
    problem: str
    """Completes "3 of 100 rows ..."."""
    fix: str
    severity: Severity = "error"
    also_shows: Mapping[str, str] = field(default_factory=dict)
    """Label -> SQL: what an example tells beside the columns that name its row."""

    @property
    def relation(self) -> str:
        """The relation's name in schema `contract`."""
        return self.scan.relation

    @property
    def where(self) -> str:
        """As people write it: `contract.events.user_id`."""
        return ".".join(part for part in ("contract", self.relation, self.column) if part)

    @property
    def names_rows(self) -> bool:
        """Whether there are rows to point at, rather than too few of them."""
        return bool(self.scan.shows)

    @property
    def joins_events(self) -> bool:
        """Whether the users who have events decide, or the moments of the events."""
        return not self.row_by_row and "event_users" in self.scan.rows

    @property
    def row_by_row(self) -> bool:
        """Whether a row's own columns decide."""
        return not any(column in self.condition for column in self.scan.adds)

    @property
    def query(self) -> str:
        """SQL, on one line, of all the rows that break the rule."""
        rows = self.scan.over(f"contract.{self.relation}")
        users = f"with event_users as ({EVENT_USERS})" if "event_users" in rows else ""
        query = f"{users} select * from {rows} where {self.condition}"  # noqa: S608
        return " ".join(query.split())


MAP_HASH = "list_bit_xor(list_transform(map_entries({}), lambda entry: hash(hash(entry))))"
"""SQL: a number that tells maps apart, in whatever order their keys stand."""


def is_blank(text: str) -> str:
    """SQL: null, empty or nothing but white space."""
    return rf"({text} is null or regexp_full_match({text}, '\s*'))"


def quoted(text: str) -> str:
    r"""A string literal for any text.

    >>> quoted("it's")
    "'it''s'"
    """
    return exp.Literal.string(text).sql("duckdb")


EVENT_COUNT = Scan(
    "events",
    (),
    "(select count(*) as events from (select user_id from contract.events limit 1) as first_event)",
    ("events",),
)
EVENTS = Scan("events", ("user_id", "ts", "source"))
IDENTIFIED_EVENTS = Repeats(
    "events",
    ("user_id", "ts", "event_id"),
    adds=("copy",),
    key=("user_id", "ts", "event_id"),
    others=("source", "fields"),
    has_key="user_id is not null and ts is not null and event_id is not null",
)
OTHER_EVENTS = Repeats(
    "events",
    ("user_id", "ts", "source"),
    adds=("copy",),
    key=("user_id", "ts", "source", "fields is null", MAP_HASH.format("fields")),
    others=("event_id",),
    has_key="user_id is not null and ts is not null and event_id is null",
)
PROFILES = Scan(
    "profiles",
    ("user_id", "as_of"),
    """(
        select profiles.*, event_users.user_id is null as without_events
        from {source} as profiles
        left join event_users on profiles.user_id = event_users.user_id
    )""",
    ("without_events",),
)
PROFILE_MOMENTS = Repeats(
    "profiles",
    ("user_id", "as_of"),
    adds=("copy",),
    key=("user_id", "as_of"),
    others=("attributes", "lifelong"),
    has_key="user_id is not null and as_of is not null",
    last=True,
)
LABELS = Scan(
    "labels",
    ("task", "user_id", "eval_ts", "label"),
    """(
        select labels.*, event_users.user_id is null as without_events, dataset.first_ts,
            dataset.last_ts
        from {source} as labels
        left join event_users on labels.user_id = event_users.user_id
        cross join (
            select min(ts) as first_ts, max(ts) as last_ts from contract.events
        ) as dataset
    )""",
    ("without_events", "first_ts", "last_ts"),
)
LABEL_SPLITS = Scan("labels", ("task", "user_id", "eval_ts", "split"))
LABEL_MOMENTS = Repeats(
    "labels",
    ("task", "user_id", "eval_ts"),
    adds=("copy",),
    key=("task", "user_id", "eval_ts"),
    others=("label", "split"),
    has_key="task is not null and user_id is not null and eval_ts is not null",
)
TRANSFERS = Scan(
    "transfers",
    ("from_user", "to_user", "ts", "amount"),
    """(
        select
            transfers.*,
            payer.user_id is null as from_stranger,
            payee.user_id is null as to_stranger
        from {source} as transfers
        left join event_users as payer on transfers.from_user = payer.user_id
        left join event_users as payee on transfers.to_user = payee.user_id
    )""",
    ("from_stranger", "to_stranger"),
)
