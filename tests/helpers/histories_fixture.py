"""Histories that a person can read, and shards made of them. Times are seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pragma_sql.formats.bundle import TOKENIZER_FILES
from pragma_sql.formats.files import sha256
from pragma_sql.formats.histories import NO_TIME, Histories, Int, offsets_of
from pragma_sql.formats.shards import (
    SPLITS,
    ShardManifest,
    Shards,
    Split,
    open_shards,
    seal_shards,
    write_split,
)

SOURCE, SHOP, AMOUNT, TEXT, SEGMENT = range(5, 10)
KEYS = {SOURCE: "source", SHOP: "shop", AMOUNT: "amount", TEXT: "text", SEGMENT: "segment"}
FIRST_VALUE = 10
AMOUNTS = range(30, 40)
"""Values that are numbers, each as large as its id."""
VOCABULARY_SIZE = 50

HOUR, DAY = 3600, 86_400
AS_OF = "2020-03-01T00:00:00"
CUT = int(datetime(2020, 3, 1, tzinfo=UTC).timestamp())

Token = tuple[int, int, int]


@dataclass(frozen=True)
class Event:
    """Tokens are (key, value, position)."""

    ts: int
    tokens: Sequence[Token]


@dataclass(frozen=True)
class Item:
    """A profile item: an attribute, or with `ts` a milestone; of a snapshot at `as_of`."""

    tokens: Sequence[Token]
    ts: int | None = None
    as_of: int = 0


@dataclass(frozen=True)
class User:
    """Events are in time order."""

    user_id: str
    events: Sequence[Event] = ()
    items: Sequence[Item] = ()


def histories(users: Sequence[User]) -> Histories:
    """The users as flat arrays."""
    events = [event for user in users for event in user.events]
    items = [item for user in users for item in user.items]
    times = [datetime.fromtimestamp(event.ts, UTC) for event in events]
    return Histories(
        user_ids=[user.user_id for user in users],
        event_offsets=_offsets([len(user.events) for user in users]),
        ts=_array([event.ts * 1_000_000 for event in events]),
        calendar=_array([(t.hour, t.weekday(), t.day) for t in times]).reshape(-1, 3),
        token_offsets=_offsets([len(event.tokens) for event in events]),
        tokens=_array([token for event in events for token in event.tokens]).reshape(-1, 3),
        item_offsets=_offsets([len(user.items) for user in users]),
        item_as_of=_array([item.as_of * 1_000_000 for item in items]),
        item_ts=_array([NO_TIME if i.ts is None else i.ts * 1_000_000 for i in items]),
        item_token_offsets=_offsets([len(item.tokens) for item in items]),
        item_tokens=_array([token for item in items for token in item.tokens]).reshape(-1, 3),
    )


def moments(count: int) -> Int:
    """The cut-off of every fixture, once a user."""
    return np.full(count, CUT * 1_000_000)


def ragged_users(seed: int = 0) -> list[User]:
    """Users of all lengths: no event, one event, many; with and without a profile."""
    random = np.random.default_rng(seed)
    users = []
    for number, count in enumerate((3, 0, 1, 12, 2, 1, 25)):
        gaps = random.integers(1, 30 * HOUR, count)
        events = [
            Event(CUT - DAY - int(after), random_tokens(random, int(random.integers(1, 8))))
            for after in np.cumsum(gaps)[::-1]
        ]
        items = [Item([(SEGMENT, FIRST_VALUE + number, 0)]), Item([(SHOP, 20, 0)], CUT - 90 * DAY)]
        users.append(User(f"user {number}", events, items[: number % 3]))
    return users


def random_tokens(random: np.random.Generator, count: int) -> list[Token]:
    """A source, then any values; text goes on over several positions."""
    values = random.integers(FIRST_VALUE, VOCABULARY_SIZE, count)
    keys = [SOURCE, AMOUNT, SHOP] + [TEXT] * count
    return [(keys[i], int(values[i]), max(0, i - 3)) for i in range(count)]


def shoppers(count: int, seed: int = 0) -> list[User]:
    """Users with habits: each has one shop, and the shop decides the amount.

    A shop can be told from the user's other events, an amount from the shop beside it.
    """
    random = np.random.default_rng(seed)
    users = []
    for number in range(count):
        shop = int(random.integers(10))
        events = [
            Event(CUT - day * DAY, [(SOURCE, 10, 0), (SHOP, 20 + shop, 0), (AMOUNT, 30 + shop, 0)])
            for day in range(int(random.integers(4, 12)), 0, -1)
        ]
        users.append(User(f"shopper {number}", events, [Item([(SEGMENT, 11, 0)])]))
    return users


def regulars(count: int, events: int) -> list[User]:
    """Users whose every event holds the same five keys: easy to count what was hidden."""
    tokens = [(key, 30 + key, 0) for key in (SOURCE, SHOP, AMOUNT, TEXT)] + [(TEXT, 39, 1)]
    days = range(events, 0, -1)
    profile = [Item([(SEGMENT, 12, 0)])]
    return [
        User(f"regular {number}", [Event(CUT - day * DAY, tokens) for day in days], profile)
        for number in range(count)
    ]


def write_tokenizer(folder: Path) -> Path:
    """A vocabulary of the keys and amounts, and stand-ins for the rest of the tokenizer."""
    folder.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        (folder / name).write_text(f"stands in for {name}\n")
    rows = [
        {"token_id": token, "kind": "key", "key": key, "value": "", "mean": None}
        for token, key in KEYS.items()
    ]
    rows += [
        {"token_id": token, "kind": "number", "key": "amount", "value": "", "mean": float(token)}
        for token in AMOUNTS
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "vocabulary.parquet")
    return folder


def shopper_shards(folder: Path, count: int, train: int) -> Shards:
    """Shards of so many shoppers: the first `train` of them to learn from, the others held out."""
    users = shoppers(count)
    return write_shards(folder, {"train": users[:train], "validation": users[train:]})


def write_shards(folder: Path, splits: Mapping[Split, Sequence[User]]) -> Shards:
    """Shards of these users."""
    tokenizer = write_tokenizer(folder / "tokenizer")
    files = [
        file
        for split in SPLITS
        if splits.get(split)
        for file in write_split(folder, split, map(histories, _halves(splits[split])))
    ]
    manifest = ShardManifest(
        tokenizer_hash="0" * 64,
        vocabulary_size=VOCABULARY_SIZE,
        as_of=AS_OF,
        max_events=6500,
        split_rule="by hand",
        shards=tuple(files),
        tokenizer_files={name: sha256(tokenizer / name) for name in TOKENIZER_FILES},
    )
    seal_shards(folder, manifest)
    return open_shards(folder)


def _halves(users: Sequence[User]) -> list[Sequence[User]]:
    """Two record batches, so that a reader has to cross from one to the next."""
    middle = len(users) // 2
    return [half for half in (users[:middle], users[middle:]) if half]


def _array(values: Sequence[object]) -> Int:
    return np.array(values, np.int64)


def _offsets(lengths: Sequence[int]) -> Int:
    return offsets_of(_array(lengths))
