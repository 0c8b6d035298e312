"""The two ONNX graphs of a model: export, and comparison with torch.

Letters: B users, R event rows, D width, E width of an embedding.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from pragma_model.model.inputs import Batch, EventInputs, UserInputs
from pragma_model.model.lookahead import LookAhead
from pragma_model.model.model import PragmaModel
from pragma_sql.formats.histories import NO_TIME, Histories, offsets_of
from pragma_sql.formats.packing import EVT, MASK, UNK, USR, Float, Packed, pack

LARGEST_GRAPH = 2**30
"""Most bytes of weights inside a graph, as an ONNX file is limited to 2 GB. Larger weights lie in a
file beside it, `<graph>.data`."""

EVENT_GRAPH, USER_GRAPH = "event_encoder.onnx", "user_encoder.onnx"
FORECAST_GRAPH = "forecast.onnx"


class _EventEncoder(nn.Module):
    def __init__(self, model: PragmaModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model.encode_events(EventInputs(*inputs)).vectors


class _Forecast(nn.Module):
    def __init__(self, heads: LookAhead) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.heads.forecast(inputs[0])


class _UserEncoder(nn.Module):
    def __init__(self, model: PragmaModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> Tensor:
        named = UserInputs(**dict(zip(self.names, inputs[1:], strict=True)))
        return self.model.embed_users(inputs[0], named)


def export_graphs(model: PragmaModel, folder: Path) -> None:
    """Write `event_encoder.onnx` and `user_encoder.onnx`, with all sizes of inputs dynamic.

    A model that looks ahead also has `forecast.onnx`: from the states of [USR], `user_states`
    [B, D], to `forecasts` [B, F], see `LookAhead.forecast`.

    Inputs have the names of `Packed.arrays()`; `event_vectors` [R, D] is the output of the first
    graph and an input of the second, `user_vectors` [B, E] is the result.

    Args:
        model: the model, on the CPU, in evaluation mode.
        folder: the folder for the two files, and for two files of weights of a large model.
    """
    batch = Batch.of(_example(model.text_width, model.spec.width if model.spec else 0))
    events, users = (
        {name: tensor for name, tensor in inputs._asdict().items() if tensor is not None}
        for inputs in (batch.events, batch.users)
    )
    vectors = {"event_vectors": torch.zeros(len(batch.events.event_first), model.size.width)}
    _export(_EventEncoder(model), events, "event_vectors", folder / EVENT_GRAPH)
    _export(_UserEncoder(model, list(users)), vectors | users, "user_vectors", folder / USER_GRAPH)
    if model.look_ahead is not None:
        states = {"user_states": torch.zeros(len(batch.users.history_first), model.size.width)}
        _export(_Forecast(model.look_ahead), states, "forecasts", folder / FORECAST_GRAPH)


class Graphs:
    """The two graphs in ONNX Runtime on the CPU."""

    def __init__(self, folder: Path) -> None:
        self._events = _session(folder / EVENT_GRAPH)
        self._users = _session(folder / USER_GRAPH)

    def user_vectors(self, packed: Packed) -> Float:
        """The user vectors of a batch, [B, E]; without events only the second graph is called."""
        arrays = packed.arrays()
        vectors = np.zeros((0, self._events.get_outputs()[0].shape[1]), np.float32)
        if len(packed.event_first):
            inputs = {name: arrays[name] for name in EventInputs._fields if name in arrays}
            vectors = self._events.run(["event_vectors"], inputs)[0]
        inputs = {name: arrays[name] for name in UserInputs._fields if name in arrays}
        inputs["event_vectors"] = vectors
        return np.asarray(self._users.run(["user_vectors"], inputs)[0], np.float32)


def largest_difference(model: PragmaModel, folder: Path, users: Iterable[Packed]) -> float:
    """The largest absolute difference of ONNX Runtime and torch in a component of user vectors."""
    graphs, differences = Graphs(folder), [0.0]
    for packed in users:
        with torch.inference_mode():
            expected = model(Batch.of(packed)).vectors.numpy()
        differences.append(float(np.abs(graphs.user_vectors(packed) - expected).max()))
    return float(np.max(differences))  # NaN stays NaN


def _export(graph: nn.Module, inputs: Mapping[str, Tensor], output: str, path: Path) -> None:
    free = torch.export.Dim.DYNAMIC
    # Both sizes of a layout are dynamic; of other inputs only the first, the second is fixed.
    sizes = tuple(
        {0: free, 1: free} if name.endswith(("_pad", "_mask")) else {0: free} for name in inputs
    )
    with _quiet():
        # Traced here, because the exporter would try other methods if one fails.
        traced = torch.export.export(graph, tuple(inputs.values()), dynamic_shapes=(sizes,))
        program = torch.onnx.export(
            traced, input_names=list(inputs), output_names=[output], dynamo=True, verbose=False
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    for node in program.model.graph.all_nodes():
        # Stack traces would put paths of this machine into the bundle and its hashes.
        node.metadata_props.clear()
    weight = sum(value.numel() * value.element_size() for value in traced.state_dict.values())
    program.save(path, external_data=weight > LARGEST_GRAPH)


def _example(text_width: int, activity_width: int) -> Packed:
    """Three users to trace the model with; no size is 0 or 1, which tracing would freeze."""
    events, items = np.array([2, 0, 3]), np.array([2, 1, 2])
    lengths, item_lengths = np.array([2, 3, 1, 2, 4]), np.ones(5, np.int64)
    moments = np.full(3, 10_000_000)
    histories = Histories(
        user_ids=["a", "b", "c"],
        event_offsets=offsets_of(events),
        ts=np.arange(5) * 1_000_000,
        calendar=np.ones((5, 3), np.int64),
        token_offsets=offsets_of(lengths),
        tokens=np.tile([EVT, MASK, 0], (int(lengths.sum()), 1)),
        item_offsets=offsets_of(items),
        item_as_of=np.zeros(5, np.int64),
        item_ts=np.array([NO_TIME, 0, 0, NO_TIME, 1_000_000]),
        item_token_offsets=offsets_of(item_lengths),
        item_tokens=np.tile([USR, UNK, 0], (5, 1)),
    )
    activity = np.zeros((3, activity_width), np.float32) if activity_width else None
    packed = pack(histories, moments, distinct=False, activity=activity)
    if not text_width:
        return packed
    texts = np.zeros((2, text_width), np.float32)
    return replace(
        packed,
        event_tokens=np.pad(packed.event_tokens, ((0, 0), (0, 1))),
        profile_tokens=np.pad(packed.profile_tokens, ((0, 0), (0, 1))),
        event_texts=texts,
        profile_texts=texts,
    )


def _session(graph: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's messages about its internals."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
