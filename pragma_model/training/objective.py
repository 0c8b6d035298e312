"""The loss of a step as one module, which is compiled, distributed and differentiated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from pragma_model.model.layers import Layer
from pragma_model.model.model import PragmaModel
from pragma_model.training.ahead_loss import AheadBatch, ahead_loss
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.masking import MaskedBatch
from pragma_model.training.settings import RunOptions, TrainSettings

CHUNK_SCORES = 4_000_000
"""Scores that exist at a time, 16 MB. With fewer, reading the table again for each chunk takes
longer than multiplying with it; with more, the scores do not fit into the cache."""


class ValueLoss(NamedTuple):
    """How well values were guessed."""

    loss: Tensor  # scalar, the mean over N; 0 when N is 0
    correct: Tensor  # [N] bool, whether the value itself scored highest
    losses: Tensor  # [N] loss of each value, without a gradient


def value_loss(guesses: Tensor, table: Tensor, values: Tensor, smoothing: float) -> ValueLoss:
    """Cross-entropy with label smoothing of the scores `guesses @ table.T`.

    The scores are by far the largest tensor of a training step. They are computed in chunks, each
    with its gradient at once (as in Liger Kernel's fused linear cross-entropy). All of it is in
    single precision or better, also under autocast.

    Args:
        guesses: [N, D] the guesses.
        table: [V, D] the embedding table.
        values: [N] the value ids to find.
        smoothing: share of the target that is spread evenly over the vocabulary.
    """
    if guesses.dtype in (torch.bfloat16, torch.float16):
        guesses = guesses.float()
    with torch.autocast(guesses.device.type, enabled=False):
        found = _TiedCrossEntropy.apply(guesses, table, values, smoothing)  # type: ignore[no-untyped-call]
    return ValueLoss(*found)


class _TiedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, guesses: Tensor, table: Tensor, values: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, vocabulary = len(values), len(table)
        losses, correct = guesses.new_empty(count), values.new_empty(count, dtype=torch.bool)
        guess_grad, table_grad = torch.empty_like(guesses), torch.zeros_like(table)
        mean_row, step = table.mean(0), max(1, CHUNK_SCORES // vocabulary)
        for chunk in (slice(start, start + step) for start in range(0, count, step)):
            guess = guesses[chunk]
            scores = guess @ table.T  # [C, V]
            of_value = scores.gather(1, values[chunk, None])[:, 0]
            highest = scores.amax(1)
            odds = scores.sub_(highest[:, None]).exp_()
            total = odds.sum(1)
            smoothed = (1 - smoothing) * of_value + smoothing * (guess @ mean_row)
            losses[chunk] = highest + total.log() - smoothed
            correct[chunk] = of_value >= highest
            guess_grad[chunk] = odds @ table / total[:, None]
            table_grad.addmm_(odds.T, guess / total[:, None])
        # Up to here gradients of the softmax; now subtract those of the smoothed target.
        guess_grad -= (1 - smoothing) * table.index_select(0, values) + smoothing * mean_row
        table_grad.index_add_(0, values, guesses, alpha=smoothing - 1)
        table_grad -= smoothing / vocabulary * guesses.sum(0)
        ctx.save_for_backward(guess_grad, table_grad)
        ctx.mark_non_differentiable(losses, correct)
        return losses.sum() / max(1, count), correct, losses

    @staticmethod
    def backward(
        ctx: BackwardCFunction, loss_grad: Tensor, *_: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        saved: Sequence[Tensor] = ctx.saved_tensors
        guess_grad, table_grad = saved
        scale = loss_grad / max(1, len(guess_grad))
        return scale * guess_grad, scale * table_grad, None, None


def reconstruct(model: PragmaModel, masked: MaskedBatch, smoothing: float) -> ValueLoss:
    """One forward with its loss; with texts, their mean squared error is added to the mean.

    Args:
        model: the model, in training or evaluation mode.
        masked: a batch from `mask_values`.
        smoothing: see `value_loss`.
    """
    guesses = model(masked.batch, masked.all_targets).guesses
    values = len(masked.targets)
    found = value_loss(guesses[:values], model.embedding.table.weight, masked.values, smoothing)
    if masked.texts is None or not len(masked.texts):
        return found
    guessed = model.guess_text(guesses[values:])
    return found._replace(loss=found.loss + F.mse_loss(guessed.float(), masked.texts))


class StepLoss(NamedTuple):
    """The loss of a pair of batches."""

    total: Tensor  # scalar, what is differentiated
    masked: ValueLoss
    ahead: Tensor  # scalar, of what comes next; 0 without such a batch


class Objective(nn.Module):
    """A model and its loss."""

    def __init__(self, model: PragmaModel, settings: TrainSettings) -> None:
        super().__init__()
        self.model = model
        self.smoothing = settings.smoothing
        self.ahead = settings.ahead
        self.bf16 = settings.precision == "bf16"

    def forward(self, masked: MaskedBatch, ahead: AheadBatch | None = None) -> StepLoss:
        """The losses of a batch of hidden values, and of one that looks ahead.

        Both are multiplied by the number of hidden values, so that batches of any size and process
        add up to the mean over all values.
        """
        device = self.model.embedding.table.weight.device
        values = len(masked.values)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            found = reconstruct(self.model, masked, self.smoothing)
            found = found._replace(loss=found.loss * values)
            if ahead is None:
                return StepLoss(found.loss, found, found.loss.new_zeros(()))
            next_loss = ahead_loss(self.model, ahead, self.ahead) * values
        return StepLoss(found.loss + next_loss, found, next_loss.detach())


class DistributedObjective:
    """An objective that is distributed over all processes of a run."""

    def __init__(
        self, objective: Objective, processes: DistributedContext, options: RunOptions
    ) -> None:
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
                # A batch without texts does not use the parameters that read them; nor does one
                # without moments to look ahead from use its heads.
                find_unused_parameters=objective.model.text_width > 0
                or objective.model.look_ahead is not None,
            )

    def __call__(self, masked: MaskedBatch, ahead: AheadBatch | None = None) -> StepLoss:
        """See `Objective.forward`."""
        found: StepLoss = self._module(masked, ahead)
        return found

    @contextmanager
    def gathering(self, last: bool) -> Iterator[None]:
        """Collect gradients; processes exchange theirs only in the last batch of a step."""
        if isinstance(self._module, DistributedDataParallel) and not last:
            with self._module.no_sync():
                yield
            return
        if isinstance(self._module, FSDPModule):
            self._module.set_requires_gradient_sync(last)
        yield

    def scale_gradients(self, values: int) -> None:
        """Turn the average over processes of summed gradients into the mean over hidden values."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, self._processes.count / max(1, values))


def layers_of(model: PragmaModel) -> list[Layer]:
    """The layers of all three encoders."""
    return [module for module in model.modules() if isinstance(module, Layer)]
