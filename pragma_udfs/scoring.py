"""Histories -> user vectors, by the ONNX graphs of a bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from pragma_sql.bundle import Bundle
from pragma_sql.errors import PragmaError
from pragma_sql.histories import Histories, Int, ranges
from pragma_sql.packing import Float, budgeted, distinct_rows, pack_events, pack_users
from pragma_sql.texts import TextVectors, text_vectors

HISTORY_BUDGET = 16_384
"""Padded history slots a batch: users times the longest history."""

GROUP_EVENTS = 131_072
"""About as many events are looked at together for equal ones."""

TOKEN_BUDGET = 65_536
"""Padded tokens a call of the event encoder: rows times the longest row."""


class Scorer:
    """One bundle's two graphs; threads of the database share it.

    Batches are made by budget, so memory depends on neither the number of users nor on how long the
    longest history is beside the others.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.manifest = bundle.manifest
        self.texts: TextVectors | None = None
        if bundle.manifest.text_encoder:
            self.texts = text_vectors(bundle.path, bundle.manifest.text_encoder)
        self._events = _session(bundle.path / "event_encoder.onnx", threads)
        self._users = _session(bundle.path / "user_encoder.onnx", threads)

    def check_hash(self, tokenizer_hash: str) -> None:
        """Refuse tokens of another tokenizer than the one the model was trained on."""
        if tokenizer_hash != self.manifest.tokenizer_hash:
            raise PragmaError(
                f"model {self.manifest.model_id} was trained on tokenizer "
                f"{self.manifest.tokenizer_hash[:12]}, "
                f"but these tokens are of {tokenizer_hash[:12]}",
                "train on the present tokens: pragma shards, pragma train, pragma register",
            )

    def score(self, histories: Histories, moments: Int) -> Float:
        """User vectors as of each user's moment, [B, d]; `moments` [B] in microseconds UTC."""
        cut = histories.as_of(moments, self.manifest.max_events)
        vectors = np.empty((len(cut), self.manifest.embedding_size), np.float32)
        for group in _groups(cut):
            vectors[group] = self._score_group(cut.select(group), moments[group])
        return vectors

    def _score_group(self, cut: Histories, moments: Int) -> Float:
        """Vectors of users whose equal events are encoded once."""
        vectors = np.empty((len(cut), self.manifest.embedding_size), np.float32)
        rows, event_row = distinct_rows(cut)
        event_vectors = self._encode_events(cut, rows)
        counts = np.diff(cut.event_offsets)
        for users in budgeted(counts + 1, HISTORY_BUDGET):
            own_rows = event_row[ranges(cut.event_offsets[users], counts[users])]
            arrays = pack_users(cut.select(users), moments[users], own_rows).arrays()
            arrays["event_vectors"] = event_vectors
            inputs = {node.name: arrays[node.name] for node in self._users.get_inputs()}
            vectors[users] = self._users.run(["user_vectors"], inputs)[0]
        return vectors

    def _encode_events(self, cut: Histories, rows: Int) -> Float:
        """Vectors of these events, [R, d], in batches of events of like length."""
        vectors = np.empty((len(rows), self.manifest.embedding_size), np.float32)
        lengths = np.diff(cut.token_offsets)[rows]
        for batch in budgeted(lengths + 1, TOKEN_BUDGET):
            arrays = pack_events(cut, rows[batch]).arrays()
            inputs = {node.name: arrays[node.name] for node in self._events.get_inputs()}
            vectors[batch] = self._events.run(["event_vectors"], inputs)[0]
        return vectors


def _groups(cut: Histories) -> Iterator[Int]:
    """Users in the order of their ids, so that one user's moments fall into one group."""
    order = np.argsort(np.asarray(cut.user_ids), kind="stable")
    events = np.cumsum(np.diff(cut.event_offsets)[order])
    yield from np.split(order, np.flatnonzero(np.diff(events // GROUP_EVENTS)) + 1)


def _session(graph: Path, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
