"""What a rule of the contract is made of: the rows it is asked of and SQL true of an offending one.

Rules of one `Scan` are asked in one pass over its rows, and every row is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Severity = Literal["error", "warn"]
"""A broken error-rule stops the build; a warning is only shown."""

EVENT_USERS = """
    select user_id, min(ts) as first_ts, max(ts) as last_ts
    from contract.events
    where user_id is not null
    group by user_id
"""
"""One row a user with events: the table `event_users` that scans may join."""


@dataclass(frozen=True)
class Scan:
    """Rows of a relation, and the columns that name a row in an example."""

    relation: str
    rows: str
    shows: tuple[str, ...]


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
    def query(self) -> str:
        """SQL, on one line, of all the rows that break the rule."""
        users = f"with event_users as ({EVENT_USERS})" if "event_users" in self.scan.rows else ""
        query = f"{users} select * from {self.scan.rows} where {self.condition}"  # noqa: S608
        return " ".join(query.split())


@dataclass(frozen=True)
class Limits:
    """What the rules allow: moments, both ends included, and characters of a value."""

    earliest: date = date(1990, 1, 1)
    latest: date = date(2100, 1, 1)
    characters: int = 10_000

    def __str__(self) -> str:
        return f"{self.earliest} .. {self.latest}"

    def outside(self, moment: str) -> str:
        """SQL: the moment lies outside; null when there is none."""
        return f"{moment} not between timestamp '{self.earliest}' and timestamp '{self.latest}'"

    def long_keys(self, texts: str) -> str:
        """SQL: the keys of a map whose values are too long."""
        return (
            f"list_transform(list_filter(map_entries({texts}), "
            f"lambda entry: length(entry.value) > {self.characters}), lambda entry: entry.key)"
        )


def is_blank(text: str) -> str:
    """SQL: null, empty or nothing but white space."""
    return rf"({text} is null or regexp_full_match({text}, '\s*'))"


def repeats(relation: str, *key: str) -> Scan:
    """The rows whose key another row has too; `copy` counts them from 1. A null is no key.

    Only rows with a hash that is seen twice are compared by the key itself, and sorting the
    hashes takes two thirds of the time of grouping by them.
    """
    columns = ", ".join(key)
    given = " and ".join(f"{column} is not null" for column in key)
    hashes = f"select hash({columns}) as hashed from contract.{relation} where {given}"  # noqa: S608
    rows = f"""(
        select *, row_number() over (partition by {columns}) as copy
        from contract.{relation}
        where {given} and hash({columns}) in (
            select hashed
            from (select hashed, lag(hashed) over (order by hashed) as before from ({hashes}))
            where hashed = before
        )
    )"""  # noqa: S608
    return Scan(relation, rows, key)


EVENT_COUNT = Scan("events", "(select count(*) as events from contract.events)", ())
EVENTS = Scan("events", "contract.events", ("user_id", "ts", "source"))
PROFILES = Scan(
    "profiles",
    """(
        select profiles.*, event_users.user_id is null as without_events
        from contract.profiles
        left join event_users on profiles.user_id = event_users.user_id
    )""",
    ("user_id", "as_of"),
)
LABELS = Scan(
    "labels",
    """(
        select labels.*, event_users.user_id is null as without_events, book.first_ts, book.last_ts
        from contract.labels
        left join event_users on labels.user_id = event_users.user_id
        cross join (
            select min(first_ts) as first_ts, max(last_ts) as last_ts from event_users
        ) as book
    )""",
    ("task", "user_id", "eval_ts", "label"),
)
TRANSFERS = Scan("transfers", "contract.transfers", ("from_user", "to_user", "ts", "amount"))
