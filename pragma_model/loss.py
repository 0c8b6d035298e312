"""Cross-entropy of masked values against the tied embedding table.

Letters: N masked values, C those of one chunk, V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx

CHUNK_SCORES = 4_000_000
"""Scores that exist at one time, 16 MB. Fewer, and reading the table anew for each chunk takes
longer than multiplying with it; more, and the scores leave the cache."""


class ValueLoss(NamedTuple):
    """How well values were guessed."""

    loss: Tensor  # scalar, the mean over N; 0 when N is 0
    correct: Tensor  # [N] bool, the value itself scored highest
    losses: Tensor  # [N] of each value, without a gradient


def value_loss(guesses: Tensor, table: Tensor, values: Tensor, smoothing: float) -> ValueLoss:
    """Cross-entropy with label smoothing of the scores `guesses @ table.T`.

    The scores are by far the largest thing in a training step. They are made in chunks, and the
    gradient of a chunk is taken at once (as in Liger Kernel's fused linear cross-entropy). All of
    it is in single precision or better, also under autocast.

    Args:
        guesses: [N, D]
        table: [V, D] the embedding table.
        values: [N] the value ids to find.
        smoothing: share of the target spread evenly over the vocabulary.
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
        # So far the gradients of the softmax; now less those of the smoothed target.
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
