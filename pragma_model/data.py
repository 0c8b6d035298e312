"""Batches of users from shards: memory-mapped, of alike lengths, within a token budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.errors import PragmaError
from pragma_sql.histories import Histories, Int
from pragma_sql.packing import Packed, budgeted, pack
from pragma_sql.shards import Shards, Split

JITTER = 0.1
"""By how much a user's size may be overstated, so that each epoch groups users anew."""


@dataclass(frozen=True)
class SplitReader:
    """The users of one split that have events.

    Three numbers a user are kept; everything else is read when its batch is due.
    """

    shards: Shards
    split: Split
    table: pa.Table
    users: Int  # [users with events] row in the table
    events: Int  # [users with events]
    tokens: Int  # [users with events] event tokens, [EVT] markers included
    budget: int
    window: int | None

    @classmethod
    def of(
        cls, shards: Shards, split: Split, budget: int, window: int | None = None
    ) -> SplitReader:
        """Look at a split; it may be empty.

        Args:
            shards: opened shards.
            split: the split to read.
            budget: most event tokens of a batch.
            window: most events of a user, up to a random moment of each epoch; without it, whole
                histories up to the moment of the shards.
        """
        table = shards.table(split)
        events = _list_lengths(table, "ts")
        tokens = events + _list_lengths(table, "key_ids")
        users = np.flatnonzero(events)
        return cls(shards, split, table, users, events[users], tokens[users], budget, window)

    @property
    def longest(self) -> int:
        """Most events of a user that are read."""
        return self.window or self.shards.manifest.max_events

    def epoch(self, seed: int, epoch: int) -> Iterator[Packed]:
        """All batches of an epoch; the same seed and epoch give the same batches."""
        random = np.random.default_rng([seed, epoch])
        for users in self.plan(random):
            yield from self._within_budget(*self.cut(users, random))

    def plan(self, random: np.random.Generator) -> list[Int]:
        """Rows of users of alike size, once each; groups in random order."""
        share_read = np.minimum(1.0, self.longest / self.events)
        sizes = self.tokens * share_read * random.uniform(1.0, 1.0 + JITTER, len(self.tokens))
        groups = list(budgeted(np.ceil(sizes).astype(np.int64), self.budget))
        return [self.users[groups[i]] for i in random.permutation(len(groups))]

    def cut(self, users: Int, random: np.random.Generator) -> tuple[Histories, Int]:
        """The histories of these rows, and the moments that they are cut at, [len(users)]."""
        histories = Histories.from_arrow(self.table.take(users), self.shards.texts)
        self._check_ids(histories)
        moments = self.shards.manifest.moments(len(histories))
        if self.window is not None:
            moments = _moments_within(histories, moments, self.window, random)
        return histories.as_of(moments, self.longest), moments

    def _within_budget(self, histories: Histories, moments: Int) -> Iterator[Packed]:
        """Pack, in halves where the plan underrated the users; one user keeps the newest events."""
        if len(histories.tokens) + len(histories.ts) <= self.budget:
            yield pack(histories, moments, distinct=False)
        elif len(histories) > 1:
            for half in np.array_split(np.arange(len(histories)), 2):
                yield from self._within_budget(histories.select(half), moments[half])
        else:
            newest_first = np.cumsum(np.diff(histories.token_offsets)[::-1] + 1)
            most = int(np.searchsorted(newest_first, self.budget, side="right"))
            yield pack(histories.as_of(moments, most), moments, distinct=False)

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
    histories: Histories, latest: Int, window: int, random: np.random.Generator
) -> Int:
    """For each user a moment with `window` events before it, if there are as many; [B].

    The moment is right after an event drawn at random, or `latest` where that is the last one.
    """
    events = np.diff(histories.event_offsets)
    later = random.integers(0, np.maximum(1, events - window + 1))
    last = np.maximum(histories.event_offsets[1:] - 1 - later, 0)
    return np.where(later == 0, latest, histories.ts[last] + 1)


def _list_lengths(table: pa.Table, name: str) -> Int:
    if not table.num_rows:
        return np.zeros(0, np.int64)
    return np.asarray(pc.list_value_length(table[name]).fill_null(0), np.int64)
