"""Histories -> the arrays that the model's forward takes, without padding tokens.

Training, batch scoring and online serving all use this code, so they see the same numbers.

Letters: B users, R event rows, L longest row, T event tokens ([EVT] included), M events,
Q profile tokens ([USR] included), S history slots (one [USR] per user, then the user's events).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from pragma_sql.formats.event_rows import RowKeys
from pragma_sql.formats.histories import NO_TIME, Bool, Histories, Int, offsets_of, ranges

Float = npt.NDArray[np.float32]

PAD, MASK, UNK, USR, EVT = range(5)
"""Special ids, the same in every vocabulary."""

PERIODS = (24.0, 7.0, 31.0)
"""Periods of hour of day, day of week, day of month."""


def log_time(seconds: npt.ArrayLike) -> Float:
    """`8 ln(1 + t/8)`, the time coordinate of the rotary encodings (PRAGMA, section on time)."""
    return (8.0 * np.log1p(np.maximum(np.asarray(seconds, np.float64), 0.0) / 8.0)).astype(
        np.float32
    )


def calendar_features(calendar: Int) -> Float:
    """[M, 3] hour, weekday, day of month -> [M, 6] sines, then cosines, of fixed periods."""
    phase = 2.0 * np.pi * (calendar - [0, 0, 1]) / np.asarray(PERIODS)
    return np.concatenate([np.sin(phase), np.cos(phase)], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Layout:
    """Where the rows of a packed array lie; attention is the one step that needs a rectangle."""

    pad: Int  # [rows, longest] packed index of each cell; 0 where the cell is empty
    mask: Bool  # [rows, longest] true where the cell is filled
    unpad: Int  # [packed] cell (row * longest + column) of each packed entry

    @classmethod
    def of(cls, lengths: Int) -> Layout:
        """The layout of consecutive rows of these lengths."""
        longest = int(lengths.max(initial=1))
        column = np.arange(longest)
        mask = column < lengths[:, None]
        pad = np.where(mask, offsets_of(lengths)[:-1, None] + column, 0)
        return cls(pad=pad, mask=mask, unpad=np.flatnonzero(mask))


@dataclass(frozen=True)
class _Arrays:
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays by name, layouts flattened to `<name>_pad`, `_mask` and `_unpad`."""
        out: dict[str, npt.NDArray[np.generic]] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is None:
                continue
            if isinstance(value, Layout):
                prefix = entry.name.removesuffix("_layout")
                out |= {
                    f"{prefix}_{part.name}": getattr(value, part.name) for part in fields(value)
                }
            else:
                out[entry.name] = value
        return out


@dataclass(frozen=True)
class PackedEvents(_Arrays):
    """The inputs of the event encoder. All indices are int64."""

    event_tokens: Int  # [T, 3] key, value, position; every row starts with [EVT]
    event_layout: Layout  # rows R
    event_first: Int  # [R] where each row's [EVT] lies in T
    event_texts: Float | None = field(default=None, kw_only=True)
    """[U, E] text vectors, numbered by the tokens' fourth column; None without texts."""


@dataclass(frozen=True)
class PackedUsers(_Arrays):
    """The inputs of the profile and history encoders, apart from the vectors of R event rows."""

    event_row: Int  # [M] the row that encodes each event
    calendar: Float  # [M, 6]
    profile_tokens: Int  # [Q, 3]; every user starts with [USR]
    profile_time: Float  # [Q] log_time since the milestone, 0 for attributes and [USR]
    profile_layout: Layout  # rows B
    profile_first: Int  # [B] where each user's [USR] lies in Q
    history_source: Int  # [S] index into the B profiles followed by the M events
    history_time: Float  # [S] log_time before the most recent event, 0 for [USR]
    history_layout: Layout  # rows B
    history_first: Int  # [B] where each user's [USR] lies in S
    event_slot: Int  # [M] where each event lies in S
    event_user: Int  # [M] the user of each event
    profile_texts: Float | None = field(default=None, kw_only=True)
    """[U, E] text vectors of the profiles, numbered as in `event_texts`."""
    activity: Float | None = field(default=None, kw_only=True)
    """[B, A] from `Timeline.state`, also of events that are not packed; None without activity."""


@dataclass(frozen=True)
class Packed(PackedUsers, PackedEvents):
    """One batch for the model."""

    @property
    def cells(self) -> tuple[int, int]:
        """The number of filled cells, and of all cells, in the rectangles of attention."""
        layouts = (self.event_layout, self.profile_layout, self.history_layout)
        return (
            sum(len(layout.unpad) for layout in layouts),
            sum(layout.mask.size for layout in layouts),
        )


def pack(
    histories: Histories, moments: Int, *, distinct: bool, activity: Float | None = None
) -> Packed:
    """Pack users that have been cut at their moments.

    Args:
        histories: B users, from `Histories.as_of(moments)`.
        moments: [B] microseconds UTC; milestones are aged at them.
        distinct: encode equal event rows once. Right for scoring, since an event's encoding
            depends on its tokens alone; wrong under masking, which makes equal rows differ.
        activity: [B, A] the users' activity as of the moments, if the model has one.
    """
    every = np.arange(len(histories.ts))
    rows, event_row = RowKeys.of(histories).distinct() if distinct else (every, every)
    return Packed(
        **vars(pack_events(histories, rows)),
        **vars(pack_users(histories, moments, event_row, activity)),
    )


def pack_events(histories: Histories, events: Int) -> PackedEvents:
    """Pack the tokens of these events, one row each."""
    lengths = np.diff(histories.token_offsets)[events]
    tokens = histories.tokens[ranges(histories.token_offsets[events], lengths)]
    event_tokens, event_first = _with_marker(tokens, lengths, EVT)
    vectors = None
    if histories.texts is not None:
        event_tokens, vectors = histories.texts.packed(event_tokens)
    return PackedEvents(event_tokens, Layout.of(lengths + 1), event_first, event_texts=vectors)


def pack_users(
    histories: Histories, moments: Int, event_row: Int, activity: Float | None = None
) -> PackedUsers:
    """Pack all but the events' tokens; `event_row` [M] is the row that encodes each event."""
    users, events = len(histories), len(histories.ts)
    item_lengths = np.diff(histories.item_token_offsets)
    token_item = np.repeat(np.arange(len(item_lengths)), item_lengths)
    user_tokens = np.bincount(histories.item_user[token_item], minlength=users)
    profile_tokens, profile_first = _with_marker(histories.item_tokens, user_tokens, USR)
    vectors = None
    if histories.texts is not None:
        profile_tokens, vectors = histories.texts.packed(profile_tokens)
    since = moments[histories.item_user] - histories.item_ts
    item_seconds = np.where(histories.item_ts == NO_TIME, 0, since) / 1e6
    profile_time = np.zeros(len(profile_tokens), np.float32)
    profile_time[_others(profile_first, len(profile_tokens))] = log_time(item_seconds[token_item])

    counts = np.diff(histories.event_offsets)
    history_first = offsets_of(counts + 1)[:-1]
    event_slot = _others(history_first, users + events)
    history_source = np.empty(users + events, np.int64)
    history_source[history_first] = np.arange(users)
    history_source[event_slot] = users + np.arange(events)
    history_time = np.zeros(users + events, np.float32)
    if events:
        last = histories.ts[np.maximum(histories.event_offsets[1:] - 1, 0)]
        history_time[event_slot] = log_time((last[histories.event_user] - histories.ts) / 1e6)

    return PackedUsers(
        event_row=event_row,
        calendar=calendar_features(histories.calendar),
        profile_tokens=profile_tokens,
        profile_time=profile_time,
        profile_layout=Layout.of(user_tokens + 1),
        profile_first=profile_first,
        history_source=history_source,
        history_time=history_time,
        history_layout=Layout.of(counts + 1),
        history_first=history_first,
        event_slot=event_slot,
        event_user=histories.event_user,
        profile_texts=vectors,
        activity=activity,
    )


def split_by_budget(sizes: Int, budget: int) -> Iterator[Int]:
    """Split users into batches of at most `budget` padded size, longest first.

    A batch is as wide as its longest member, so its cost is members times the longest. A member
    over the budget is a batch of its own.

    >>> [b.tolist() for b in split_by_budget(np.array([1, 9, 4, 5]), 10)]
    [[1], [3, 2], [0]]
    """
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        members = max(1, budget // max(1, int(sizes[order[start]])))
        yield order[start : start + members]
        start += members


def _with_marker(tokens: Int, lengths: Int, marker: int) -> tuple[Int, Int]:
    """Put [marker, marker, 0] before each row; returns the tokens and where the markers lie.

    A fourth column is -1 for a marker, which does not stand for a text.
    """
    first = offsets_of(lengths + 1)[:-1]
    out = np.empty((len(tokens) + len(lengths), tokens.shape[1]), np.int64)
    out[first] = (marker, marker, 0, -1)[: tokens.shape[1]]
    out[_others(first, len(out))] = tokens
    return out, first


def _others(indices: Int, size: int) -> Int:
    """The indices below `size` that are not given."""
    rest = np.ones(size, np.bool_)
    rest[indices] = False
    return np.flatnonzero(rest)
