"""Histories -> user vectors, by the ONNX graphs of a bundle."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime

from pragma_sql.bundle import Bundle
from pragma_sql.errors import PragmaError
from pragma_sql.histories import Histories, Int, offsets_of, ranges
from pragma_sql.packing import Float, Layout, Packed, budgeted, pack

HISTORY_BUDGET = 16_384
"""Padded history slots a batch: users times the longest history."""

TOKEN_BUDGET = 65_536
"""Padded tokens a call of the event encoder: rows times the longest row."""


class Scorer:
    """One bundle's two graphs; threads of the database share it.

    Batches are made by budget, so memory depends on neither the number of users nor on how long the
    longest history is beside the others.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.manifest = bundle.manifest
        self._events = _session(bundle.path / "event_encoder.onnx", threads)
        self._users = _session(bundle.path / "user_encoder.onnx", threads)

    def check_hash(self, tokenizer_hash: str) -> None:
        """Refuse tokens of another tokenizer than the one the model was trained on."""
        if tokenizer_hash != self.manifest.tokenizer_hash:
            raise PragmaError(
                f"model {self.manifest.model_id} was trained on tokenizer "
                f"{self.manifest.tokenizer_hash[:12]}, but these tokens are of {tokenizer_hash[:12]}",
                "train on the present tokens: pragma shards, pragma train, pragma register",
            )

    def score(self, histories: Histories, moments: Int) -> Float:
        """User vectors as of each user's moment, [B, d]; `moments` [B] in microseconds UTC."""
        cut = histories.as_of(moments, self.manifest.max_events)
        vectors = np.empty((len(cut), self.manifest.embedding_size), np.float32)
        for users in budgeted(np.diff(cut.event_offsets) + 1, HISTORY_BUDGET):
            packed = pack(cut.select(users), moments[users], distinct=True)
            vectors[users] = self._encode_users(packed)
        return vectors

    def _encode_users(self, packed: Packed) -> Float:
        arrays = packed.arrays()
        arrays["event_vectors"] = self._encode_events(packed)
        inputs = {node.name: arrays[node.name] for node in self._users.get_inputs()}
        return np.asarray(self._users.run(["user_vectors"], inputs)[0], np.float32)

    def _encode_events(self, packed: Packed) -> Float:
        """Vectors of the distinct event rows, [R, d], in batches of rows of like length."""
        ends = np.append(packed.event_first, len(packed.event_tokens))
        lengths = np.diff(ends)
        vectors = np.empty((len(lengths), self.manifest.embedding_size), np.float32)
        for rows in budgeted(lengths, TOKEN_BUDGET):
            layout = Layout.of(lengths[rows])
            inputs = {
                "event_tokens": packed.event_tokens[ranges(packed.event_first[rows], lengths[rows])],
                "event_pad": layout.pad,
                "event_mask": layout.mask,
                "event_unpad": layout.unpad,
                "event_first": offsets_of(lengths[rows])[:-1],
            }
            vectors[rows] = self._events.run(["event_vectors"], inputs)[0]
        return vectors


def _session(graph: Path, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
