"""The loss of what the model expects to come next.

Letters: n users and moments, W windows, G amounts, N values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pragma_model.model.inputs import Batch, UserInputs
from pragma_model.model.lookahead import LookAhead
from pragma_model.model.model import PragmaModel
from pragma_model.training.ahead import Next, PackedAhead
from pragma_model.training.settings import LookAheadSettings


class NextTensors(NamedTuple):
    """`pragma_model.training.ahead.Next` as tensors."""

    counts: Tensor  # [n, W]
    amounts: Tensor  # [n, G]
    known: Tensor  # [n, W]

    @classmethod
    def of(cls, found: Next, device: torch.device | str) -> NextTensors:
        """The arrays as tensors."""
        return cls(*(torch.from_numpy(array).to(device) for array in found))


class AheadBatch(NamedTuple):
    """`pragma_model.training.ahead.PackedAhead` on the device of the model."""

    users: Batch
    next: NextTensors
    values: Tensor  # [N, 3] key, value, row
    alone: UserInputs
    alone_next: NextTensors

    @classmethod
    def of(cls, packed: PackedAhead, device: torch.device | str = "cpu") -> AheadBatch:
        """The packed arrays as tensors."""
        alone = {
            name: torch.from_numpy(array).to(device)
            for name, array in packed.alone.arrays().items()
            if name in UserInputs._fields
        }
        return cls(
            users=Batch.of(packed.users, device),
            next=NextTensors.of(packed.next, device),
            values=torch.from_numpy(packed.values).to(device),
            alone=UserInputs(**alone),
            alone_next=NextTensors.of(packed.alone_next, device),
        )


def ahead_loss(model: PragmaModel, batch: AheadBatch, settings: LookAheadSettings) -> Tensor:
    """The weighted sum of mean losses, in single precision; a scalar.

    Args:
        model: a model with a look-ahead.
        batch: users as of moments, and what follows.
        settings: the weights.
    """
    heads = model.look_ahead
    if heads is None:
        raise ValueError("this model does not look ahead")
    table = model.embedding.table.weight
    events = model.encode_events(batch.users.events)
    users = model.states_of_users(events.vectors, batch.users.users)
    loss = _loss_of_next(heads, users, batch.next, settings)
    if len(batch.values):
        keys, values, rows = batch.values.unbind(1)
        guesses = heads.guess(model.embedding.table(keys), users.index_select(0, rows))
        with torch.autocast(table.device.type, enabled=False):
            scores = guesses.float() @ table.float().T
            loss = loss + settings.values * F.cross_entropy(scores, values)
    if len(batch.alone_next.known):
        no_events = events.vectors.new_zeros(0, model.size.width)
        alone = model.states_of_users(no_events, batch.alone)
        loss = loss + _loss_of_next(heads, alone, batch.alone_next, settings)
    return loss


def _loss_of_next(
    heads: LookAhead, users: Tensor, found: NextTensors, settings: LookAheadSettings
) -> Tensor:
    """Squared errors of logarithms and the cross-entropy of silence, of windows that are known."""
    expected = heads(users)
    known, windows = found.known, found.known.shape[1]
    some = F.binary_cross_entropy_with_logits(
        expected.some.float(), (found.counts > 0).float(), reduction="none"
    )
    counts = (expected.log_counts.float() - found.counts.log1p()) ** 2
    amounts = (expected.amounts.float() - heads.standard(found.amounts)) ** 2
    by_window = amounts.view(len(amounts), windows, -1).mean(2)
    weighted = settings.counts * (some + counts) + settings.amounts * by_window
    total: Tensor = (weighted * known).sum() / known.sum().clamp(min=1)
    return total
