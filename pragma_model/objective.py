"""The masked-value loss as one module: what is compiled, shared by processes and differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from pragma_model.layers import Layer
from pragma_model.loss import ValueLoss
from pragma_model.masking import Masked
from pragma_model.model import PragmaModel
from pragma_model.processes import Processes
from pragma_model.reconstruction import reconstruct
from pragma_model.settings import RunOptions, TrainSettings


class Objective(nn.Module):
    """A model and its loss."""

    def __init__(self, model: PragmaModel, settings: TrainSettings) -> None:
        super().__init__()
        self.model = model
        self.smoothing = settings.smoothing
        self.bf16 = settings.precision == "bf16"

    def forward(self, masked: Masked) -> ValueLoss:
        """The sum of the losses of the hidden values, and how each was guessed.

        A sum, so that batches of any size and process add up to the mean over all.
        """
        device = self.model.embedding.table.weight.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            found = reconstruct(self.model, masked, self.smoothing)
        return found._replace(loss=found.loss * len(masked.values))


class Shared:
    """An objective that all processes of a run work on."""

    def __init__(self, objective: Objective, processes: Processes, options: RunOptions) -> None:
        size = objective.model.size
        wanted = size.name == "large" if options.recompute is None else options.recompute
        objective.model.recompute(wanted)
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
            self._module = DistributedDataParallel(
                objective,
                forward_sync_buffers=False,
                # A batch without texts has no use for what reads them.
                find_unused_parameters=objective.model.text_width > 0,
            )

    def __call__(self, masked: Masked) -> ValueLoss:
        """See `Objective.forward`."""
        found: ValueLoss = self._module(masked)
        return found

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
