"""Batches that look ahead: users as of random moments, and what comes next.

Inputs hold only what is strictly before a moment. What comes next is read from the shards, which
end at the cut-off: a window beyond it is unknown, not empty.

Letters: n users and moments, W windows, G amounts of each, N values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pragma_model.training.data import Cut, ReaderPosition, SplitReader, UserGroup
from pragma_model.training.settings import LookAheadSettings, TrainSettings
from pragma_sql.formats.activity import SECOND, ActivitySpec, Timeline, signed_log
from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.packing import UNK, Float, Packed, PackedUsers, pack_users
from pragma_sql.formats.shards import Shards, Split

SEED_OFFSET = 2**32
"""Added to the seed of a run, so that its groups are not those of the masked batches."""


SEEN_SHARE = 2
"""Tokens of complete histories for one that is read: moments lie midway, and events repeat."""


class Next(NamedTuple):
    """What comes after moments."""

    counts: Float  # [n, W] events
    amounts: Float  # [n, G] signed logs of active periods, then of each key's sum, by window
    known: Float  # [n, W] 1 if the window ends before the cut-off, else 0


class PackedAhead(NamedTuple):
    """A batch that looks ahead."""

    users: Packed  # n users with events
    next: Next
    values: Int  # [N, 3] key, value and row of values that come after the moment
    alone: PackedUsers  # other users and moments, by activity and profile alone
    alone_next: Next


@dataclass(frozen=True)
class AheadReader:
    """Reads batches that look ahead."""

    reader: SplitReader
    spec: ActivitySpec
    settings: LookAheadSettings
    budget: int
    """Most event tokens of a batch."""

    @classmethod
    def of(
        cls, shards: Shards, settings: TrainSettings, spec: ActivitySpec, split: Split = "train"
    ) -> AheadReader:
        """A reader of a split, with the tokens that masked batches leave of the budget."""
        budget = max(1, settings.budget - settings.masked_budget)
        events = settings.ahead.moments * settings.ahead.window
        reader = SplitReader(shards, split, SEEN_SHARE * budget, events, spec)
        return cls(reader, spec, settings.ahead, budget)

    @property
    def cut(self) -> int:
        """The cut-off, microseconds UTC."""
        return int(self.reader.shards.manifest.moments(1)[0])

    def stream(self, seed: int, start: ReaderPosition) -> Iterator[UserGroup]:
        """All groups from a place on, epoch after epoch."""
        return self.reader.stream(seed + SEED_OFFSET, start)

    def read(self, group: UserGroup) -> PackedAhead | None:
        """The batch of a group; None if none of its users has a moment to look ahead from."""
        random = np.random.default_rng(group.seed)
        histories = self.reader.histories(group.part, group.rows)
        timeline = self.reader.timeline(histories, self.spec)
        users, moments = draw_moments(histories, self.spec, self.cut, self.settings.moments, random)
        if not len(users):
            return None
        packed = self._pack(histories, users, moments, timeline)
        found, values = (
            self._next(timeline, users, moments),
            self._values(histories, timeline, users, moments, random),
        )
        alone, alone_next = self._alone(group, random)
        return PackedAhead(packed, found, values, alone, alone_next)

    def _pack(self, histories: Histories, users: Int, moments: Int, timeline: Timeline) -> Packed:
        chosen = histories.select(users).as_of(moments, self.settings.window)
        cut = Cut(chosen, moments, timeline.state(users, moments))
        packed = cut.pack(distinct=True)
        if len(packed.event_tokens) > self.budget:
            most = self.settings.window * self.budget // len(packed.event_tokens)
            packed = cut.newest(max(1, most)).pack(distinct=True)
        return packed

    def _alone(self, group: UserGroup, random: np.random.Generator) -> tuple[PackedUsers, Next]:
        """Other users of the shard, at more moments: encoding no event, they cost little."""
        asked = min(self.settings.users_alone, len(group.part.users))
        rows = np.sort(random.choice(group.part.users, asked, replace=False))
        histories = self.reader.histories(group.part, rows)
        users, moments = draw_moments(
            histories, self.spec, self.cut, self.settings.moments_alone, random
        )
        timeline = self.reader.timeline(histories, self.spec)
        profiles = _without_events(histories).select(users).as_of(moments)
        packed = pack_users(
            profiles, moments, np.zeros(0, np.int64), timeline.state(users, moments)
        )
        return packed, self._next(timeline, users, moments)

    def _next(self, timeline: Timeline, users: Int, moments: Int) -> Next:
        return what_follows(timeline, users, moments, self.cut)

    def _values(
        self,
        histories: Histories,
        timeline: Timeline,
        users: Int,
        moments: Int,
        random: np.random.Generator,
    ) -> Int:
        """Tokens drawn from the longest window after each moment."""
        ahead = timeline.ahead(users, moments)
        start = histories.token_offsets[ahead.first]
        length = histories.token_offsets[ahead.ends[:, -1]] - start
        draws = random.random((len(users), self.settings.sampled))
        row, draw = np.nonzero(np.arange(self.settings.sampled) < length[:, None])
        token = start[row] + (draws[row, draw] * length[row]).astype(np.int64)
        drawn = histories.tokens[token]
        usable = drawn[:, 1] != UNK
        if histories.texts is not None:
            usable &= drawn[:, 3] < 0
        return np.column_stack([drawn[usable, :2], row[usable]])


def draw_moments(
    users: Histories, spec: ActivitySpec, cut: int, times: int, random: np.random.Generator
) -> tuple[Int, Int]:
    """Moments of users who have a past and, before the cut-off, at least the shortest window ahead.

    Args:
        users: complete histories up to the cut-off.
        spec: the windows.
        cut: the cut-off, microseconds UTC.
        times: moments of each user.
        random: draws the moments, evenly between the first event and the last possible moment.

    Returns:
        Users [n] and moments [n], a user's one after the other.
    """
    some = np.flatnonzero(np.diff(users.event_offsets))
    first = users.ts[users.event_offsets[some]] + spec.unit * SECOND // 2
    room = cut - spec.ahead[0] * SECOND - first
    chosen = np.repeat(np.flatnonzero(room > 0), times)
    waited = (random.random(len(chosen)) * room[chosen]).astype(np.int64)
    return some[chosen], first[chosen] + waited


def what_follows(timeline: Timeline, users: Int, moments: Int, cut: int) -> Next:
    """What comes after moments and before the cut-off, [n] each."""
    ahead = timeline.ahead(users, moments)
    amounts = np.concatenate([ahead.periods[:, :, None], ahead.sums], axis=2)
    ends = moments[:, None] + np.array(timeline.spec.ahead) * SECOND
    return Next(
        counts=ahead.counts.astype(np.float32),
        amounts=signed_log(amounts).reshape(len(users), -1).astype(np.float32),
        known=(ends <= cut).astype(np.float32),
    )


def _without_events(histories: Histories) -> Histories:
    none = np.zeros(0, np.int64)
    return replace(
        histories,
        event_offsets=np.zeros(len(histories) + 1, np.int64),
        ts=none,
        calendar=histories.calendar[:0],
        token_offsets=np.zeros(1, np.int64),
        tokens=histories.tokens[:0],
    )
