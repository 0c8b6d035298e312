"""Scoring by torch: on a GPU, or in half precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

from pragma_model.export.bundle import load_model
from pragma_model.model.inputs import EventInputs, UserInputs
from pragma_sql.formats.bundle import Bundle
from pragma_sql.formats.packing import Float, PackedEvents, PackedUsers


class TorchEngine:
    """A bundle's model on one device, with the forward of training."""

    def __init__(self, bundle: Bundle, device: torch.device, *, half: bool) -> None:
        """Load the weights; `half` computes products in bfloat16."""
        self._model = load_model(bundle).to(device)
        self._device = device
        self._half = half
        on_gpu = device.type != "cpu"
        self.token_budget = 1_048_576 if on_gpu else 65_536
        self.history_budget = 262_144 if on_gpu else 16_384
        self.calls = 1

    @torch.inference_mode()
    def event_vectors(self, packed: PackedEvents) -> Float:
        """Vectors of event rows, [R, D]."""
        tensors = self._tensors(packed)
        inputs = EventInputs(**{n: tensors[n] for n in EventInputs._fields if n in tensors})
        with self._precision():
            return _array(self._model.encode_events(inputs).vectors)

    @torch.inference_mode()
    def user_vectors(self, packed: PackedUsers, event_vectors: Float) -> Float:
        """User vectors, [B, E], from the vectors of event rows, [R, D]."""
        tensors = self._tensors(packed)
        inputs = UserInputs(**{n: tensors[n] for n in UserInputs._fields if n in tensors})
        with self._precision():
            events = torch.from_numpy(np.ascontiguousarray(event_vectors)).to(self._device)
            return _array(self._model.embed_users(events, inputs))

    def _tensors(self, packed: PackedEvents | PackedUsers) -> dict[str, Tensor]:
        return {n: torch.from_numpy(a).to(self._device) for n, a in packed.arrays().items()}

    def _precision(self) -> AbstractContextManager[object]:
        if not self._half:
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)


def torch_engine(bundle: Bundle, *, half: bool) -> TorchEngine | None:
    """The engine on the first GPU; without one, on the CPU in half precision, else None."""
    if torch.cuda.is_available():
        return TorchEngine(bundle, torch.device("cuda"), half=half)
    return TorchEngine(bundle, torch.device("cpu"), half=True) if half else None


def _array(tensor: Tensor) -> Float:
    return tensor.float().cpu().numpy()
