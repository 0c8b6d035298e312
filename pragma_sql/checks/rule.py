"""The parts of a rule of the contract: the rows it checks, and SQL that holds for an offending row.

Rules of one `Scan` are checked in one pass over its rows, and every row is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

Severity = Literal["error", "warn"]
"""A broken error-rule stops the build; a broken warn-rule is only reported."""

EVENT_USERS = "select distinct user_id from contract.events where user_id is not null"
"""One row per user with events: the table `event_users` that scans may join."""


@dataclass(frozen=True)
class Scan:
    """The rows of a relation, and the columns that identify a row in an example."""

    relation: str
    shows: tuple[str, ...]
    rows: str = "{source}"
    """SQL of the rows; `{source}` stands for the relation, or the part of it that is checked."""
    adds: tuple[str, ...] = ()
    """Columns that `rows` adds to those of the relation."""

    def over(self, source: str) -> str:
        """SQL of the rows of a relation, given by its name or as SQL in brackets."""
        return self.rows.replace("{source}", source)

    def without(self, source: str, broken: str) -> str:
        """SQL, in brackets, of a relation's rows without those for which `broken` is true."""
        return f"(select * from {self.over(source)} where not {broken})"  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class Repeats(Scan):
    """Rows that have a key, each with `copy`, the number of the row within its key, from 1."""

    key: tuple[str, ...]
    others: tuple[str, ...]
    """The relation's other columns, which order the copies."""
    has_key: str
    """SQL: the row has a key."""
    last: bool = False
    """Whether the first copy is the one delivered last, by file name, then by row."""

    @property
    def hashed(self) -> str:
        """SQL: the hash of a row's key; null for a row without a key."""
        return f"case when {self.has_key} then hash({', '.join(self.key)}) end"

    def over(self, source: str) -> str:
        """SQL of the rows with a key."""
        rows = self._delivered(source)
        return f"(select *, {self._copy} as copy from {rows} where {self.has_key})"  # noqa: S608

    def among(self, source: str, hashes: str) -> str:
        """SQL of the rows with a key whose hash is among the given ones."""
        repeated = f"{self.hashed} in ({hashes})"
        rows = self._delivered(source)
        return f"(select *, {self._copy} as copy from {rows} where {repeated})"  # noqa: S608

    def without(self, source: str, broken: str) -> str:
        """SQL, in brackets, of the first row of each key and the rows without a key."""
        first = f"{self._copy} = 1 or not ({self.has_key})"
        return f"(select * from {self._delivered(source)} qualify {first})"  # noqa: S608

    def _delivered(self, source: str) -> str:
        """SQL that numbers the rows in the order of files and of rows within them."""
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
    """A condition that no row of a contract relation may meet."""

    name: str
    scan: Scan
    column: str
    """The column that the rule is about; empty if it is about the whole relation."""
    condition: str
    problem: str
    """Completes "3 of 100 rows ..."."""
    fix: str
    severity: Severity = "error"
    also_shows: Mapping[str, str] = field(default_factory=dict)
    """Label -> SQL: what an example shows beyond the columns that identify its row."""

    @property
    def relation(self) -> str:
        """The relation's name in schema `contract`."""
        return self.scan.relation

    @property
    def where(self) -> str:
        """The place that the rule is about, such as `contract.events.user_id`."""
        return ".".join(part for part in ("contract", self.relation, self.column) if part)

    @property
    def names_rows(self) -> bool:
        """Whether offending rows can be named; a rule about missing rows has none."""
        return bool(self.scan.shows)

    @property
    def joins_events(self) -> bool:
        """Whether the rule depends on the users who have events, or on the events' moments."""
        return not self.row_by_row and "event_users" in self.scan.rows

    @property
    def row_by_row(self) -> bool:
        """Whether the rule depends on a row's own columns only."""
        return not any(column in self.condition for column in self.scan.adds)

    @property
    def query(self) -> str:
        """SQL, on one line, of all rows that break the rule."""
        rows = self.scan.over(f"contract.{self.relation}")
        users = f"with event_users as ({EVENT_USERS})" if "event_users" in rows else ""
        query = f"{users} select * from {rows} where {self.condition}"  # noqa: S608
        return " ".join(query.split())


MAP_HASH = "list_bit_xor(list_transform(map_entries({}), lambda entry: hash(hash(entry))))"
"""SQL: a hash of a map that does not depend on the order of its keys."""


def is_blank(text: str) -> str:
    """SQL: the text is null, empty or only white space."""
    return rf"({text} is null or regexp_full_match({text}, '\s*'))"


def sql_literal(text: str) -> str:
    r"""A string literal for any text.

    >>> sql_literal("it's")
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
