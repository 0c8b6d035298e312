"""Batches of users from memory-mapped shards: of similar lengths, within a token budget.

An epoch reads the shards in a new order, and each shard in groups of users of similar size. Each
group has its own seed, which draws its windows, so any process or thread can read it, and a run can
resume at any place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.formats.activity import ActivitySpec, Timeline, Wide, token_numbers
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.packing import Float, Packed, pack, split_by_budget
from pragma_sql.formats.shards import ShardFile, Shards, Split

JITTER = 0.1
"""The most by which a user's size is randomly overstated, so that groups change every epoch."""


class ReaderPosition(NamedTuple):
    """The place of a run in its endless sequence of groups."""

    epoch: int = 0
    shard: int = 0
    """Index in the epoch's order of shards."""
    group: int = 0
    """Index among the shard's groups."""

    @property
    def next(self) -> ReaderPosition:
        """The place after this one; past the last group of a shard, the next shard follows."""
        return self._replace(group=self.group + 1)


BEGINNING = ReaderPosition()


@dataclass(frozen=True)
class ShardUsers:
    """The users of one shard who have events: three numbers per user, the rest on demand."""

    table: pa.Table
    users: Int  # [users with events] row in the table
    events: Int  # [users with events]
    tokens: Int  # [users with events] event tokens, [EVT] markers included


class UserGroup(NamedTuple):
    """Users who are read together."""

    place: ReaderPosition
    part: ShardUsers
    rows: Int  # rows of the part's table
    seed: tuple[int, ...]  # decides the windows


@dataclass(frozen=True)
class Cut:
    """Users as of moments."""

    histories: Histories
    moments: Int  # [B] microseconds UTC
    activity: Float | None
    """[B, A] of all events before the moments, not only of those in `histories`."""

    def __len__(self) -> int:
        return len(self.histories)

    def select(self, users: Int) -> Cut:
        """The users at these indices, in this order."""
        activity = None if self.activity is None else self.activity[users]
        return Cut(self.histories.select(users), self.moments[users], activity)

    def newest(self, most: int) -> Cut:
        """The same users with their newest events only."""
        return Cut(self.histories.as_of(self.moments, most), self.moments, self.activity)

    def pack(self, *, distinct: bool) -> Packed:
        """See `pragma_sql.formats.packing.pack`."""
        return pack(self.histories, self.moments, distinct=distinct, activity=self.activity)


@dataclass(frozen=True)
class SplitReader:
    """A reader of the users of one split who have events."""

    shards: Shards
    split: Split
    budget: int
    window: int | None = None
    """Most events of a user, up to a random moment of each epoch; None reads complete histories up
    to the moment of the shards."""
    spec: ActivitySpec | None = None
    """The activity that goes with each user; None reads none."""

    @property
    def files(self) -> tuple[ShardFile, ...]:
        """The shards of the split."""
        return self.shards.files(self.split)

    @property
    def longest(self) -> int:
        """Most events of a user that are read."""
        return self.window or self.shards.manifest.max_events

    def is_empty(self) -> bool:
        """Whether no user of the split has an event."""
        return not any(file.events for file in self.files)

    def part(self, file: ShardFile) -> ShardUsers:
        """The users with events in one shard."""
        table = self.shards.open(file)
        events = _list_lengths(table, "ts")
        tokens = events + _list_lengths(table, "key_ids")
        users = np.flatnonzero(events)
        return ShardUsers(table, users, events[users], tokens[users])

    def epoch(self, seed: int, epoch: int) -> Iterator[Packed]:
        """All batches of an epoch; the same seed and epoch give the same batches."""
        for group in self.groups(seed, ReaderPosition(epoch)):
            yield from self.read(group)

    def stream(self, seed: int, start: ReaderPosition = BEGINNING) -> Iterator[UserGroup]:
        """All groups from a place on, epoch after epoch."""
        for epoch in count(start.epoch):
            yield from self.groups(seed, start if epoch == start.epoch else ReaderPosition(epoch))

    def groups(self, seed: int, start: ReaderPosition) -> Iterator[UserGroup]:
        """The groups of an epoch from a place on; earlier shards are not read."""
        files = self.files
        order = np.random.default_rng([seed, start.epoch]).permutation(len(files))
        for nth in range(start.shard, len(files)):
            part = self.part(files[order[nth]])
            shard_seed = (seed, start.epoch, int(order[nth]))
            plan = self.plan(part, np.random.default_rng(shard_seed))
            for number in range(start.group if nth == start.shard else 0, len(plan)):
                place = ReaderPosition(start.epoch, nth, number)
                yield UserGroup(place, part, plan[number], (*shard_seed, number))

    def plan(self, part: ShardUsers, random: np.random.Generator) -> list[Int]:
        """Groups of rows of users of similar size, in random order; each user occurs once."""
        share_read = np.minimum(1.0, self.longest / part.events)
        sizes = part.tokens * share_read * random.uniform(1.0, 1.0 + JITTER, len(part.tokens))
        groups = list(split_by_budget(np.ceil(sizes).astype(np.int64), self.budget))
        return [part.users[groups[i]] for i in random.permutation(len(groups))]

    def read(self, group: UserGroup) -> list[Packed]:
        """The batches of a group: one, or more if the plan underestimated its users."""
        random = np.random.default_rng(group.seed)
        cut = self.cut(group.part, group.rows, random)
        return [part.pack(distinct=False) for part in self.within_budget(cut)]

    def cut(self, part: ShardUsers, users: Int, random: np.random.Generator) -> Cut:
        """The histories of these rows, up to the end or within windows."""
        histories = self.histories(part, users)
        moments = self.shards.manifest.moments(len(histories))
        if self.window is not None:
            moments = _moments_within(
                histories, moments, self.window, random, gaps=self.spec is not None
            )
        return self.cut_at(histories, moments, self.longest)

    def cut_at(self, histories: Histories, moments: Int, most: int) -> Cut:
        """Complete histories as of moments, with the newest events only but all their activity."""
        return Cut(histories.as_of(moments, most), moments, self.activity(histories, moments))

    def histories(self, part: ShardUsers, users: Int) -> Histories:
        """The complete histories of these rows."""
        return self.read_table(part.table.take(users))

    def read_table(self, rows: pa.Table) -> Histories:
        """The complete histories of rows of shards."""
        histories = Histories.from_arrow(rows, self.shards.texts)
        self._check_ids(histories)
        return histories

    def activity(self, histories: Histories, moments: Int) -> Float | None:
        """The activity of each user as of a moment, [B, A]; None without a spec."""
        if self.spec is None:
            return None
        return self.timeline(histories, self.spec).state(np.arange(len(histories)), moments)

    def timeline(self, histories: Histories, spec: ActivitySpec) -> Timeline:
        """The activity of complete histories."""
        return Timeline(histories, spec, self.numbers)

    @cached_property
    def numbers(self) -> Wide:
        """The number that each token stands for, [V]; see `activity.token_numbers`."""
        manifest = self.shards.manifest
        return token_numbers(self.shards.tokenizer / "vocabulary.parquet", manifest.vocabulary_size)

    def within_budget(self, cut: Cut) -> Iterator[Cut]:
        """The users, or halves of them if too large; a single user keeps the newest events."""
        histories = cut.histories
        if len(histories.tokens) + len(histories.ts) <= self.budget:
            yield cut
        elif len(histories) > 1:
            for half in np.array_split(np.arange(len(histories)), 2):
                yield from self.within_budget(cut.select(half))
        else:
            newest_first = np.cumsum(np.diff(histories.token_offsets)[::-1] + 1)
            most = int(np.searchsorted(newest_first, self.budget, side="right"))
            if not most:
                raise PragmaError(
                    f"the budget of {self.budget} tokens is smaller than an event of user "
                    f"{histories.user_ids[0]!r}, which takes {newest_first[0]}",
                    f"--overwrite --batch-tokens {newest_first[0]}, or more",
                )
            yield cut.newest(most)

    def _check_ids(self, histories: Histories) -> None:
        size = self.shards.manifest.vocabulary_size
        for tokens in (histories.tokens, histories.item_tokens):
            highest = int(tokens[:, :2].max(initial=0))
            if highest >= size:
                raise PragmaError(
                    f"{self.shards.path}: token id {highest} in split {self.split!r}, but the "
                    f"vocabulary holds {size}",
                    "write them again: pragma shards",
                )


def _moments_within(
    histories: Histories, latest: Int, window: int, random: np.random.Generator, *, gaps: bool
) -> Int:
    """For each user a moment with `window` events before it, if the user has as many; [B].

    The moment is just after a randomly drawn event, or `latest` if that is the last event. With
    `gaps` it is anywhere between that event and the next, or `latest`.
    """
    events = np.diff(histories.event_offsets)
    later = random.integers(0, np.maximum(1, events - window + 1))
    last = np.maximum(histories.event_offsets[1:] - 1 - later, 0)
    after = histories.ts[last] + 1
    if not gaps:
        return np.where(later == 0, latest, after)
    following = np.minimum(last + 1, len(histories.ts) - 1)
    end = np.where(later == 0, latest, histories.ts[following])
    waited = (random.random(len(events)) * np.maximum(end - after, 0)).astype(np.int64)
    return np.asarray(after + waited, np.int64)


def _list_lengths(table: pa.Table, name: str) -> Int:
    return np.asarray(pc.list_value_length(table[name]).fill_null(0), np.int64)
