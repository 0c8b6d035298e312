"""Histories -> user vectors, by the two graphs of a bundle's model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from pragma_sql.formats.activity import Timeline, Wide, token_numbers
from pragma_sql.formats.bundle import Bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.event_rows import RowKeys
from pragma_sql.formats.histories import EVENTS_AT_ONCE, Histories, Int, ranges
from pragma_sql.formats.packing import Float, pack_events, pack_users, split_by_budget
from pragma_sql.formats.text_encoder import TextVectors, text_vectors
from pragma_sql.scoring.caches import EventCache
from pragma_sql.scoring.engines import Precision, engine_of


class Scorer:
    """One bundle's model; threads of the database share it.

    Batches have a budget, so memory depends neither on the number of users nor on how much longer
    the longest history is than the others. An event is encoded once, even across calls, as long as
    its vector is cached.
    """

    def __init__(
        self, bundle: Bundle, *, precision: Precision | None = None, calls: int | None = None
    ) -> None:
        """Load the model.

        Args:
            bundle: an opened bundle.
            precision: by default that of PRAGMA_PRECISION.
            calls: calls of the model that run at once; by default one per core.
        """
        self.manifest = bundle.manifest
        self.texts: TextVectors | None = None
        if bundle.manifest.text_encoder:
            self.texts = text_vectors(bundle.path, bundle.manifest.text_encoder)
        self._numbers: Wide | None = None
        if bundle.manifest.activity is not None:
            vocabulary = bundle.path / "vocabulary.parquet"
            self._numbers = token_numbers(vocabulary, bundle.manifest.vocabulary_size)
        self._engine = engine_of(bundle, precision, calls)
        self._cache = EventCache(bundle.manifest.event_size)
        self._process = 0
        self._start()

    def _start(self) -> None:
        """Create threads and locks in the present process, because they do not survive a fork."""
        if self._process != os.getpid():
            self._encoding = threading.Lock()
            self._calls = ThreadPoolExecutor(self._engine.calls, "pragma-scoring")
            self._process = os.getpid()

    def check_hash(self, tokenizer_hash: str) -> None:
        """Refuse tokens of a tokenizer other than the one that the model was trained on.

        Only the first 12 digits are compared, which is what tokens carry.
        """
        if tokenizer_hash[:12] != self.manifest.tokenizer_hash[:12]:
            raise PragmaError(
                f"model {self.manifest.model_id} was trained on tokenizer "
                f"{self.manifest.tokenizer_hash[:12]}, "
                f"but these tokens are of {tokenizer_hash[:12]}",
                "train on the present tokens: pragma shards, pragma train, pragma register",
            )

    def score(self, histories: Histories, moments: Int) -> Float:
        """User vectors as of each user's moment, [B, E]; `moments` [B] in microseconds UTC."""
        self._start()
        activity = self._activity(histories, moments)
        cut = histories.as_of(moments, self.manifest.max_events)
        vectors = np.empty((len(cut), self.manifest.embedding_size), np.float32)
        for group in _groups(cut):
            part = cut if len(group) == len(cut) else cut.select(group)
            own = None if activity is None else activity[group]
            vectors[group] = self._score_group(part, moments[group], own)
        return vectors

    def _activity(self, histories: Histories, moments: Int) -> Float | None:
        """The activity of each user, [B, A]; None if the model is given none."""
        spec = self.manifest.activity
        if spec is None or self._numbers is None:
            return None
        return Timeline(histories, spec, self._numbers).state(np.arange(len(histories)), moments)

    def _score_group(self, cut: Histories, moments: Int, activity: Float | None) -> Float:
        vectors = np.empty((len(cut), self.manifest.embedding_size), np.float32)
        event_vectors, event_row = self._event_vectors(cut)
        counts = np.diff(cut.event_offsets)
        # From here on vectors stand for the events, so their tokens need not be copied.
        no_tokens = np.zeros(len(cut.ts) + 1, np.int64)
        users_alone = replace(cut, token_offsets=no_tokens, tokens=cut.tokens[:0])

        def score(users: Int) -> None:
            own_rows = event_row[ranges(cut.event_offsets[users], counts[users])]
            own = None if activity is None else activity[users]
            packed = pack_users(users_alone.select(users), moments[users], own_rows, own)
            vectors[users] = self._engine.user_vectors(packed, event_vectors)

        self._each(score, split_by_budget(counts + 1, self._engine.history_budget))
        return vectors

    def _event_vectors(self, cut: Histories) -> tuple[Float, Int]:
        """Vectors of the distinct event rows, [R, d], and the row of each event, [M]."""
        keys = RowKeys.of(cut)
        events, event_row = keys.distinct()
        keys = keys.take(events)
        vectors = np.empty((len(events), self.manifest.event_size), np.float32)
        lengths = np.diff(cut.token_offsets)[events]

        def encode(rows: Int) -> None:
            vectors[rows] = self._engine.event_vectors(pack_events(cut, events[rows]))

        with self._encoding:  # another thread may encode the same events
            new = np.flatnonzero(~self._cache.fill(keys, vectors))
            batches = split_by_budget(lengths[new] + 1, self._engine.token_budget)
            self._each(encode, (new[batch] for batch in batches))
            self._cache.keep(keys.take(new), vectors[new])
        return vectors, event_row

    def _each(self, work: Callable[[Int], None], batches: Iterable[Int]) -> None:
        """Process the batches, several at once; raises the error of a batch that fails."""
        todo = list(batches)
        if len(todo) == 1:
            work(todo[0])
            return
        for _ in self._calls.map(work, todo):
            pass


def _groups(cut: Histories) -> Iterator[Int]:
    """Consecutive users with about `EVENTS_AT_ONCE` events, among which equal ones are found."""
    before = cut.event_offsets[:-1] // EVENTS_AT_ONCE
    yield from np.split(np.arange(len(cut)), np.flatnonzero(np.diff(before)) + 1)
