"""The masked-value loss as one module: what is compiled, shared by processes and differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from pragma_model.layers import Layer
from pragma_model.loss import value_loss
from pragma_model.masking import Masked
from pragma_model.model import PragmaModel
from pragma_model.processes import Processes
from pragma_model.settings import RunOptions, TrainSettings


class Objective(nn.Module):
    """A model and its loss."""

    def __init__(self, model: PragmaModel, settings: TrainSettings) -> None:
        super().__init__()
        self.model = model
        self.smoothing = settings.smoothing
        self.bf16 = settings.precision == "bf16"

    def forward(self, masked: Masked) -> tuple[Tensor, Tensor]:
        """The sum of the losses of the hidden values, and how many scored highest; both scalars.

        A sum, so that batches of any size and process add up to the mean over all.
        """
        table = self.model.embedding.table.weight
        with torch.autocast(table.device.type, torch.bfloat16, enabled=self.bf16):
            guesses = self.model.guess(self.model(masked.batch), masked.batch, masked.targets)
        found = value_loss(guesses.float(), table, masked.values, self.smoothing)
        return found.loss * len(masked.values), found.correct.sum()


class Shared:
    """An objective that all processes of a run work on."""

    def __init__(self, objective: Objective, processes: Processes, options: RunOptions) -> None:
        size = objective.model.size
        if size.name == "large" if options.recompute is None else options.recompute:
            recompute_layers(objective.model)
        if options.compile:
            objective.model.compile(dynamic=True)
        self.model = objective.model
        self._processes = processes
        self._module: nn.Module = objective
        if processes.count == 1:
            return
        if (options.parallel or ("fsdp" if size.name == "large" else "ddp")) == "fsdp":
            mesh = init_device_mesh(processes.device.type, (processes.count,))
            for layer in layers_of(objective.model):
                fully_shard(layer, mesh=mesh)
            fully_shard(objective, mesh=mesh)
        else:
            self._module = DistributedDataParallel(objective, forward_sync_buffers=False)

    def __call__(self, masked: Masked) -> tuple[Tensor, Tensor]:
        """See `Objective.forward`."""
        loss, correct = self._module(masked)
        return loss, correct

    @contextmanager
    def gathering(self, last: bool) -> Iterator[None]:
        """Take gradients; those of all processes come together after the last batch of a step."""
        if isinstance(self._module, DistributedDataParallel) and not last:
            with self._module.no_sync():
                yield
            return
        if isinstance(self._module, FSDPModule):
            self._module.set_requires_gradient_sync(last)
        yield

    def scale_gradients(self, values: int) -> None:
        """From what processes averaged of their sums to the mean over all hidden values."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, self._processes.count / max(1, values))


def layers_of(model: PragmaModel) -> list[Layer]:
    """The layers of all three encoders."""
    return [module for module in model.modules() if isinstance(module, Layer)]


def recompute_layers(model: PragmaModel) -> None:
    """Keep only the input of each layer for the way back (activation checkpointing)."""
    for layer in layers_of(model):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)  # type: ignore[method-assign]
