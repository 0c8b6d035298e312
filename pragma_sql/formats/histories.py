"""Histories as flat arrays, as in `tokens.user_tokens` and the shards; `as_of` cuts them.

Letters in comments: B users, M events, T event tokens, P profile items, Q profile tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pragma_sql.formats.text_encoder import Texts, TextVectors, strings_of

Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

NO_TIME = np.iinfo(np.int64).min
"""Stands for a null timestamp, because an attribute has no moment of its own."""

MAX_EVENTS = 6500
"""Most events of a user that are read, the newest ones (PRAGMA, section on truncation)."""

MAX_PROFILE_TOKENS = 200
"""Most tokens of a profile that are read: attributes, then milestones in time order."""


EVENTS_AT_ONCE = 131_072
"""About how many events are read, tokenised or scored together, which bounds the memory."""

EVENT_ORDER = ("ts", "event_id nulls first", "value_ids", "key_ids", "positions", "texts")
"""What a user's events are sorted by. An id, then the tokens themselves, decide ties in time, so
that every build and every reader has the same arrays."""

ITEM_ORDER = ("ts is not null", "ts", "as_of", "key_ids", "value_ids")
"""What a user's profile items are sorted by: attributes first, then milestones in time order."""

CALENDAR = ("hour", "weekday", "monthday")
TOKEN = ("key_ids", "value_ids", "positions")


@dataclass(frozen=True)
class Histories:
    """Token histories of B users: microseconds UTC, events of a user in time order."""

    user_ids: list[str]
    event_offsets: Int  # [B+1] into events
    ts: Int  # [M]
    calendar: Int  # [M, 3] hour 0-23, weekday 0-6 from Monday, day of month 1-31
    token_offsets: Int  # [M+1] into event tokens
    tokens: (
        Int  # [T, 3] key id, value id, position within the field; [T, 4] with texts: their number
    )
    item_offsets: Int  # [B+1] into profile items
    item_as_of: Int  # [P] moment of the snapshot that the item belongs to
    item_ts: Int  # [P] moment of a milestone, NO_TIME for an attribute
    item_token_offsets: Int  # [P+1] into profile tokens
    item_tokens: Int  # [Q, 3], or [Q, 4]
    texts: Texts | None = None
    """The strings that tokens stand for; None if no token stands for one."""

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def event_user(self) -> Int:
        """The user of each event, [M]."""
        return np.repeat(np.arange(len(self)), np.diff(self.event_offsets))

    @property
    def item_user(self) -> Int:
        """The user of each profile item, [P]."""
        return np.repeat(np.arange(len(self)), np.diff(self.item_offsets))

    def latest_moments(self) -> Int:
        """The first microsecond after all that is known of each user, [B]."""
        latest = np.full(len(self), NO_TIME)
        np.maximum.at(latest, self.event_user, self.ts)
        np.maximum.at(latest, self.item_user, self.item_as_of)
        np.maximum.at(latest, self.item_user, self.item_ts)
        return latest + 1

    def as_of(
        self,
        moments: Int,
        max_events: int = MAX_EVENTS,
        max_profile_tokens: int = MAX_PROFILE_TOKENS,
    ) -> Histories:
        """What was known strictly before each user's moment.

        Events and milestones count when strictly before it; attributes come from the newest
        snapshot not later than it. Of the events left, the `max_events` most recent are kept.

        Args:
            moments: [B] microseconds UTC.
            max_events: most events per user, applied after the cut.
            max_profile_tokens: most tokens of a profile, applied after the cut.
        """
        event_user = self.event_user
        kept = self.ts < moments[event_user]
        after = np.bincount(event_user[kept], minlength=len(self))
        rank = np.cumsum(kept) - 1 - np.repeat(starts_of(after), np.diff(self.event_offsets))
        kept &= rank >= (after - max_events)[event_user]

        item_user = self.item_user
        plain = self.item_ts == NO_TIME
        known = plain & (self.item_as_of <= moments[item_user])
        newest = np.full(len(self), NO_TIME)
        np.maximum.at(newest, item_user[known], self.item_as_of[known])
        items = known & (self.item_as_of == newest[item_user])
        items |= ~plain & (self.item_ts < moments[item_user])
        lengths = np.where(items, np.diff(self.item_token_offsets), 0)
        upto = offsets_of(lengths)
        items &= upto[1:] - upto[self.item_offsets[:-1]][item_user] <= max_profile_tokens
        return self._keep(kept, items)

    def select(self, users: Int) -> Histories:
        """The users at these indices, in this order."""
        events = ranges(self.event_offsets[users], np.diff(self.event_offsets)[users])
        items = ranges(self.item_offsets[users], np.diff(self.item_offsets)[users])
        token_counts = np.diff(self.token_offsets)[events]
        item_token_counts = np.diff(self.item_token_offsets)[items]
        return Histories(
            user_ids=[self.user_ids[i] for i in users],
            event_offsets=offsets_of(np.diff(self.event_offsets)[users]),
            ts=self.ts[events],
            calendar=self.calendar[events],
            token_offsets=offsets_of(token_counts),
            tokens=self.tokens[ranges(self.token_offsets[events], token_counts)],
            item_offsets=offsets_of(np.diff(self.item_offsets)[users]),
            item_as_of=self.item_as_of[items],
            item_ts=self.item_ts[items],
            item_token_offsets=offsets_of(item_token_counts),
            item_tokens=self.item_tokens[ranges(self.item_token_offsets[items], item_token_counts)],
            texts=self.texts,
        )

    def _keep(self, events: Bool, items: Bool) -> Histories:
        kept = self
        if not events.all():
            kept = replace(
                kept,
                event_offsets=offsets_of(np.bincount(self.event_user[events], minlength=len(self))),
                ts=self.ts[events],
                calendar=self.calendar[events],
                token_offsets=offsets_of(np.diff(self.token_offsets)[events]),
                tokens=self.tokens[np.repeat(events, np.diff(self.token_offsets))],
            )
        if not items.all():
            kept = replace(
                kept,
                item_offsets=offsets_of(np.bincount(self.item_user[items], minlength=len(self))),
                item_as_of=self.item_as_of[items],
                item_ts=self.item_ts[items],
                item_token_offsets=offsets_of(np.diff(self.item_token_offsets)[items]),
                item_tokens=self.item_tokens[np.repeat(items, np.diff(self.item_token_offsets))],
            )
        return kept

    def to_arrow(self) -> pa.Table:
        """The inverse of `from_arrow`: one row per user, in the shard schema."""
        token_ends = self.token_offsets[self.event_offsets]
        item_ends = self.item_token_offsets[self.item_offsets]

        def lists(
            offsets: Int, values: Int, kind: pa.DataType, null: Bool | None = None
        ) -> pa.Array:
            flat = pa.array(values, pa.int64(), mask=null).cast(kind)
            return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)

        event, item = self.event_offsets, self.item_offsets
        micros, byte, word = pa.timestamp("us"), pa.uint8(), pa.int32()
        strings = {}
        if self.texts is not None:
            for name, tokens, ends in (
                ("texts", self.tokens, token_ends),
                ("profile_texts", self.item_tokens, item_ends),
            ):
                upto = offsets_of((tokens[:, 3] >= 0).astype(np.int64))[ends]
                flat = self.texts.of_tokens(tokens)
                strings[name] = pa.ListArray.from_arrays(pa.array(upto, pa.int32()), flat)
        return pa.table(
            {
                "user_id": pa.array(self.user_ids, pa.string()),
                "ts": lists(event, self.ts, micros),
                "hour": lists(event, self.calendar[:, 0], byte),
                "weekday": lists(event, self.calendar[:, 1], byte),
                "monthday": lists(event, self.calendar[:, 2], byte),
                "event_lengths": lists(event, np.diff(self.token_offsets), byte),
                "key_ids": lists(token_ends, self.tokens[:, 0], word),
                "value_ids": lists(token_ends, self.tokens[:, 1], word),
                "positions": lists(token_ends, self.tokens[:, 2], byte),
                "profile_as_of": lists(item, self.item_as_of, micros),
                "profile_ts": lists(item, self.item_ts, micros, self.item_ts == NO_TIME),
                "profile_lengths": lists(item, np.diff(self.item_token_offsets), byte),
                "profile_key_ids": lists(item_ends, self.item_tokens[:, 0], word),
                "profile_value_ids": lists(item_ends, self.item_tokens[:, 1], word),
                "profile_positions": lists(item_ends, self.item_tokens[:, 2], byte),
            }
            | strings
        )

    @classmethod
    def from_arrow(
        cls, rows: pa.Table | pa.StructArray, table: TextVectors | None = None
    ) -> Histories:
        """Read rows with the columns of `tokens.user_tokens`; a null list is an empty one.

        Args:
            rows: one row per user.
            table: vectors of the tokenizer's texts, if it has any.
        """
        if isinstance(rows, pa.Table):
            rows = rows.combine_chunks().to_struct_array().combine_chunks()

        def offsets(name: str) -> Int:
            return offsets_of(np.asarray(rows.field(name).value_lengths().fill_null(0), np.int64))

        def flat(*names: str, prefix: str = "") -> dict[str, pa.Array]:
            return {name: rows.field(prefix + name).flatten() for name in names}

        strings = strings_of(rows) if table is not None else (None, None)
        events = TokenRows(
            offsets("ts"),
            _ints(rows.field("event_lengths").flatten()),
            flat("ts", *CALENDAR, *TOKEN),
            strings[0],
        )
        items = TokenRows(
            offsets("profile_as_of"),
            _ints(rows.field("profile_lengths").flatten()),
            flat("as_of", "ts", *TOKEN, prefix="profile_"),
            strings[1],
        )
        return cls.from_rows(rows.field("user_id").to_pylist(), events, items, table)

    @classmethod
    def from_rows(
        cls, user_ids: list[str], events: TokenRows, items: TokenRows, table: TextVectors | None
    ) -> Histories:
        """Put users' events and profile items together; every reader of tokens ends here.

        Args:
            user_ids: B users.
            events: rows of `tokens.event_tokens`, sorted by `EVENT_ORDER` within a user.
            items: rows of `tokens.profile_tokens`, sorted by `ITEM_ORDER` within a user.
            table: vectors of the tokenizer's texts, if it has any; needs the rows' strings.
        """
        tokens, item_tokens = events.stack(TOKEN), items.stack(TOKEN)
        texts = None
        if table is not None:
            given = [events.strings, items.strings]
            texts, (tokens, item_tokens) = Texts.numbered([tokens, item_tokens], given, table)
        return cls(
            user_ids=user_ids,
            event_offsets=events.offsets,
            ts=_ints(events.columns["ts"]),
            calendar=events.stack(CALENDAR),
            token_offsets=offsets_of(events.lengths),
            tokens=tokens,
            item_offsets=items.offsets,
            item_as_of=_ints(items.columns["as_of"]),
            item_ts=_ints(items.columns["ts"]),
            item_token_offsets=offsets_of(items.lengths),
            item_tokens=item_tokens,
            texts=texts,
        )


class TokenRows(NamedTuple):
    """The events, or the profile items, of users one after the other."""

    offsets: Int  # [B+1] into rows
    lengths: Int  # [n] tokens of each row
    columns: Mapping[str, pa.Array]
    """Columns as they are called in the table, with an entry for each row, or for each token."""
    strings: pa.Array | None
    """The strings of the tokens that stand for one, in order; only read for texts."""

    def stack(self, names: Sequence[str]) -> Int:
        """Columns side by side, [n, len(names)]."""
        return np.stack([_ints(self.columns[name]) for name in names], axis=1)


def _ints(values: pa.Array) -> Int:
    """Whole numbers, or moments as microseconds; `NO_TIME` for null."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us")).cast(pa.int64())
    return np.asarray(values.fill_null(NO_TIME) if values.null_count else values, np.int64)


def offsets_of(lengths: Int) -> Int:
    """[2, 0, 3] -> [0, 2, 2, 5]"""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def starts_of(lengths: Int) -> Int:
    """[2, 0, 3] -> [0, 2, 2]"""
    return offsets_of(lengths)[:-1]


def ranges(starts: Int, lengths: Int) -> Int:
    """Starts [5, 0] and lengths [2, 3] -> [5, 6, 0, 1, 2]"""
    return np.arange(lengths.sum()) + np.repeat(starts - starts_of(lengths), lengths)
